// What comes over the control link, as values: taken whole and typed, or refused as a broken link. Never anything else.
import fc from 'fast-check';
import t from 'tap';
import { LinkError, parseControl, parseStart } from '../../daemon/egress/messages.ts';
import { capabilities } from './session.ts';

const runs = { numRuns: 2000 };

/** Undefined: refused as it must be. */
function outcomeOf<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof LinkError) return undefined;
    throw error;
  }
}

const known = { t: 'token', n: 1, refused: 'no', jti: 'j', token: 'a.b.c', sha256: 'ab', size: 3 };
/** An answer in which some members are something else, or not there. */
const answers = fc
  .dictionary(fc.constantFrom(...Object.keys(known)), fc.oneof(fc.anything(), fc.constant(undefined)))
  .map((changes) => ({ ...known, ...changes, t: 'token' }));

t.test('an answer about a token is whole and bounded, or ends the link', async (t) => {
  let met = 0;
  fc.assert(
    fc.property(answers, (value) => {
      const message = outcomeOf(() => parseControl(value));
      if (message?.kind !== 'token') return message === undefined;
      met += 1;
      const { n, refused, jti, token, sha256, size } = message.answer;
      const texts = [jti.length <= 64, token.length <= 16 * 1024, sha256.length <= 64].every(Boolean);
      const numbers = Number.isSafeInteger(n) && n >= 1 && Number.isSafeInteger(size) && size >= -1;
      return texts && numbers && (refused === undefined || typeof refused === 'string');
    }),
    runs,
  );
  t.ok(met > 20, `${met} were whole`);
});

t.test('any value at all is a message or ends the link', async () => {
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom('ack', 'nack', 'policy', 'token'), (value, kind) => {
      outcomeOf(() => parseControl(value));
      outcomeOf(() => parseStart(value));
      if (typeof value === 'object') outcomeOf(() => parseControl({ ...value, t: kind }));
    }),
    runs,
  );
});

t.test('how requests leave, and whose certificates are believed, is read strictly', async (t) => {
  const start = (upstream: unknown, authorities: unknown = {}) => {
    const set = capabilities([{ host: 'a.example', port: 80 }]);
    const network = set.network.map((rule) => ({ ...rule, upstream }));
    const capabilitySet = { ...set, network };
    return outcomeOf(() =>
      parseStart({ t: 'start', capabilitySet, upstream: [], hosts: {}, session: 's', authorities }),
    );
  };
  t.match(start({ protocol: 'tls', port: 443, ca: '/x' })?.capabilitySet.network[0], {
    upstream: { protocol: 'tls', port: 443, ca: '/x' },
  });
  for (const wrong of [
    'tls',
    null,
    {},
    { protocol: 'tls' },
    { protocol: 'tls', port: 0 },
    { protocol: 'TLS', port: 1 },
  ])
    t.equal(start(wrong), undefined, JSON.stringify(wrong));
  for (const wrong of ['pem', { '/x': 1 }, []])
    t.equal(start({ protocol: 'plain' }, wrong), undefined, JSON.stringify(wrong));
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (upstream, authorities) => {
      const read = start(upstream, authorities)?.capabilitySet.network[0]?.upstream;
      return read === undefined || read.protocol === 'plain' || read.port > 0;
    }),
    runs,
  );
});
