// Documents of attestation: one text for one value, strict readers, replays that agree with what was measured.
import t from 'tap';
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import {
  canonical,
  challengeText,
  enrolmentText,
  evidenceText,
  readChallenge,
  readEnrolment,
  readEventLog,
  readEvidence,
  readImaLog,
  readSealed,
  readStatement,
  replay,
  replayIma,
  statementText,
} from '../../daemon/evidence/mod.ts';
import type { Evidence, Json, Statement } from '../../daemon/evidence/mod.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { daemonFacts } from '../support/attested.ts';

const statement: Statement = {
  type: 'cordon-statement/1',
  nonce: 'ab'.repeat(32),
  tpm: 'software',
  ...daemonFacts,
  audit: { ...daemonFacts.audit, counter: 3, lost: 0 },
};
const evidence: Evidence = {
  type: 'cordon-evidence/1',
  ak: Buffer.from('ak'),
  quote: { attest: Buffer.from('a'), signature: Buffer.from('s') },
  bank: 'sha256',
  pcrs: new Map([
    [0, Buffer.alloc(32, 1)],
    [7, Buffer.alloc(32, 2)],
  ]),
  statement: statementText(statement),
  counter: { attest: Buffer.from('c'), signature: Buffer.from('s') },
  eventLog: Buffer.from('log'),
};

t.test('the canonical text is that of RFC 8785, as another implementation has it', async () => {
  const leaf = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null));
  const value = fc.letrec((tie) => ({
    value: fc.oneof(leaf, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'))),
  })).value;
  fc.assert(fc.property(value, (given) => canonical(given as Json) === canonicalize(given)));
});

t.test('a statement comes back as it was written, in one text only', async (t) => {
  const text = statementText(statement);
  t.equal(statementText(readStatement(text)), text);
  t.throws(() => readStatement(` ${text}`), /canonical/);
  t.throws(() => readStatement(text.replace('"generation":4', '"generation":4.5')), CordonError);
  t.throws(() => readStatement(text.replace('"killEpoch"', '"kilEpoch"')), CordonError);
});

t.test('evidence, enrolments and challenges come back as they were written', async (t) => {
  t.same(readEvidence(evidenceText(evidence)), evidence);
  const request = {
    type: 'cordon-enrolment/1' as const,
    ek: Buffer.from('ek'),
    ak: Buffer.from('ak'),
    certificates: [Buffer.from('c')],
    counter: Buffer.from('n'),
  };
  t.same(readEnrolment(enrolmentText(request)), request);
  const challenge = { id: 'x', idObject: Buffer.from('i'), encryptedSecret: Buffer.from('e') };
  t.same(readChallenge(challengeText(challenge)), challenge);
});

const readers: Readonly<Record<string, readonly [(text: string) => unknown, string]>> = {
  readEvidence: [readEvidence, evidenceText(evidence)],
  readStatement: [readStatement, statementText(statement)],
  readEnrolment: [readEnrolment, '{"type":"cordon-enrolment/1","ek":"","ak":"","certificates":[]}'],
  readChallenge: [readChallenge, '{"id":"","idObject":"","encryptedSecret":""}'],
  readSealed: [readSealed, '{"type":"cordon-sealed/1","bank":"sha256","pcrs":[7]}'],
};
for (const [name, [read, seed]] of Object.entries(readers))
  t.test(`${name} returns or refuses, whatever the text`, async () => {
    const mutated = fc
      .tuple(fc.nat(seed.length), fc.nat(20), fc.string({ maxLength: 8 }))
      .map(([at, cut, text]) => seed.slice(0, at) + text + seed.slice(at + cut));
    const given = fc.oneof(mutated, fc.json(), fc.string());
    fc.assert(
      fc.property(given, (text) => {
        try {
          read(text);
          return true;
        } catch (error) {
          return error instanceof CordonError;
        }
      }),
      { numRuns: 2000 },
    );
  });

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

/** A log as firmware writes it: the header, then events with a SHA-256 digest each. */
function eventLog(
  events: readonly { readonly pcr: number; readonly type: number; readonly content: Buffer }[],
): Buffer {
  const spec = Buffer.concat([
    Buffer.from('Spec ID Event03\0'),
    u32(0),
    Buffer.from([0, 2, 0, 2]),
    u32(1),
    u16(0x0b),
    u16(32),
    Buffer.of(0),
  ]);
  const head = Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(spec.length), spec]);
  const rest = events.map(({ pcr, type, content }) =>
    Buffer.concat([u32(pcr), u32(type), u32(1), u16(0x0b), sha256(content), u32(content.length), content]),
  );
  return Buffer.concat([head, ...rest]);
}

t.test(
  'an event log is replayed: unknown types count, EV_NO_ACTION does not, the start locality does',
  async (t) => {
    const content = Buffer.from('measured');
    const startup = Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.of(3)]);
    const log = eventLog([
      { pcr: 0, type: 3, content: startup },
      { pcr: 0, type: 8, content },
      { pcr: 4, type: 0xdead, content },
    ]);
    const values = replay(readEventLog(log), 0x0b);
    const locality = Buffer.alloc(32);
    locality[31] = 3;
    t.same(values.get(0), sha256(locality, sha256(content)));
    t.same(values.get(4), sha256(Buffer.alloc(32), sha256(content)));
    t.equal(values.size, 2);
  },
);

t.test('readEventLog and readImaLog return or refuse, whatever the bytes', async () => {
  const seed = eventLog([{ pcr: 1, type: 1, content: Buffer.from('x') }]);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.nat(seed.length - 1), fc.nat(255), fc.nat(seed.length)).map(([at, value, length]) => {
      const copy = Buffer.from(seed);
      copy[at] = value;
      return copy.subarray(0, length);
    }),
  );
  fc.assert(
    fc.property(bytes, (given) =>
      [() => replay(readEventLog(given), 0x0b), () => replayIma(readImaLog(given), 0x0b)].every((work) => {
        try {
          work();
          return true;
        } catch (error) {
          return error instanceof CordonError;
        }
      }),
    ),
    { numRuns: 3000 },
  );
});

t.test('an IMA log is replayed, violations as ones', async (t) => {
  const entry = (digest: Buffer, content: Buffer) =>
    Buffer.concat([u32(10), digest, u32(6), Buffer.from('ima-ng'), u32(content.length), content]);
  const log = Buffer.concat([
    entry(Buffer.alloc(20, 1), Buffer.from('one')),
    entry(Buffer.alloc(20), Buffer.from('violation')),
  ]);
  const values = replayIma(readImaLog(log), 0x0b);
  const first = sha256(Buffer.alloc(32), sha256(Buffer.from('one')));
  t.same(values, [Buffer.alloc(32), first, sha256(first, Buffer.alloc(32, 0xff))]);
});
