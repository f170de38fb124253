import fc from 'fast-check';
import t from 'tap';
import {
  body,
  bytes,
  bytesOf,
  fields,
  flag,
  frame,
  FrameReader,
  item,
  number,
  numberOf,
  readEnvelope,
  text,
  textOf,
  textsOf,
} from '../../daemon/cli/run/codec.ts';
import { failureOf } from '../../daemon/cli/run/link.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { decodeEnvelope, encodeEnvelope, message, type Bodies, type Kind } from '../../daemon/wire/mod.ts';

const payload = (framed: Buffer): Buffer => framed.subarray(4);
const anyBytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const size = fc.nat({ max: 65_535 });

/** What the wire room reads from our bytes. */
const read = (kind: number, message: readonly Buffer[]) => decodeEnvelope(payload(frame(7, kind, message)));
const encoded = <K extends Kind>(kind: K, body: Partial<Bodies[K]>): Buffer =>
  encodeEnvelope({ request: 7, more: false, message: message(kind, body) });
/** Every kind of byte array alike. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

t.test('the wire room reads a RunRequest exactly as it was meant', async (t) => {
  const request = fc.record({
    profile: fc.string(),
    workspace: anyBytes,
    mode: fc.string(),
    argv: fc.array(anyBytes),
    environment: fc.array(anyBytes),
    cwd: anyBytes,
    user: fc.string(),
    tty: fc.boolean(),
    rows: size,
    columns: size,
  });
  fc.assert(
    fc.property(request, (sent) => {
      const received = read(body.run, [
        ...text(1, sent.profile),
        ...bytes(2, sent.workspace),
        ...text(3, sent.mode),
        ...sent.argv.flatMap((argument) => item(4, argument)),
        ...sent.environment.flatMap((variable) => item(5, variable)),
        ...bytes(6, sent.cwd),
        ...text(7, sent.user),
        ...flag(8, sent.tty),
        ...number(9, sent.rows),
        ...number(10, sent.columns),
      ]);
      t.strictSame(plain(received), plain({ request: 7, more: false, message: message('run', sent) }));
    }),
    { numRuns: 50 },
  );
});

t.test('the wire room reads what is sent to a supervisor', async (t) => {
  const window = [...number(1, 24), ...number(2, 300)];
  t.strictSame(
    read(body.terminalResize, window).message,
    message('terminalResize', { rows: 24, columns: 300 }),
  );
  t.strictSame(
    read(body.forwardSignal, text(1, 'SIGINT')).message,
    message('forwardSignal', { signal: 'SIGINT' }),
  );
  const input = plain(
    read(body.terminalInput, [...bytes(1, Buffer.from([0, 255])), ...flag(2, true)]).message,
  );
  t.strictSame(input, plain(message('terminalInput', { data: Buffer.from([0, 255]), end: true })));
  const attach = [...flag(1, true), ...number(2, 24), ...number(3, 300)];
  t.strictSame(read(body.attach, attach).message, message('attach', { tty: true, rows: 24, columns: 300 }));
});

t.test('what the wire room writes is read here', async (t) => {
  const answer = readEnvelope(encoded('runAnswer', { session: 'abcd1234', attachPath: '/run/x' }));
  t.match(answer, { request: 7, kind: body.runAnswer });
  t.equal(textOf(fields(answer.body), 1), 'abcd1234');
  t.equal(textOf(fields(answer.body), 2), '/run/x');

  const output = readEnvelope(encoded('terminalOutput', { data: Buffer.from('out') }));
  t.equal(bytesOf(fields(output.body), 1).toString(), 'out');

  const exit = fields(
    readEnvelope(encoded('sessionExit', { code: 130, denied: 2 ** 40, blocks: ['a', 'b'] })).body,
  );
  t.equal(numberOf(exit, 1), 130);
  t.equal(numberOf(exit, 4), 2 ** 40);
  t.strictSame(textsOf(exit, 5), ['a', 'b']);
  const negative = fields(readEnvelope(encoded('sessionExit', { code: -1 })).body);
  t.equal(numberOf(negative, 1), -1);

  const failure = encoded('failure', {
    code: 'killed',
    message: 'm',
    fix: 'f',
    file: 'x',
    line: 3,
    key: 'k',
  });
  t.match(failureOf(readEnvelope(failure).body), {
    code: 'killed',
    message: 'm',
    facts: { fix: 'f', file: 'x', line: 3, key: 'k' },
  });
});

t.test('frames are found however the stream is cut', async (t) => {
  const frames = [
    frame(1, body.run, text(1, 'a')),
    frame(2, body.ack, []),
    frame(3, body.run, text(1, 'b'.repeat(300))),
  ];
  const stream = Buffer.concat(frames);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const reader = new FrameReader();
      const points = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const found = points
        .slice(1)
        .flatMap((end, index) => reader.push(stream.subarray(points[index] ?? 0, end)));
      t.strictSame(
        found.map((each) => readEnvelope(each).request),
        [1, 2, 3],
      );
    }),
    { numRuns: 50 },
  );
});

t.test('whatever bytes come, reading ends with an envelope or an error of ours', async (t) => {
  const tried = (source: Uint8Array): boolean => {
    try {
      fields(readEnvelope(Buffer.from(source)).body);
      return true;
    } catch (error) {
      return error instanceof CordonError && error.code === 'protocol';
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tried), { numRuns: 2000 });
  t.throws(() => new FrameReader().push(Buffer.from([0x7f, 0, 0, 0])), { code: 'protocol' }, 'a huge frame');
  t.throws(
    () => frame(1, body.run, bytes(2, Buffer.alloc(1 << 20))),
    { code: 'limit' },
    'a request over the cap',
  );
});
