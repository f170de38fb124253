// Several commands under way at once, and objects put aside between their uses.
import t from 'tap';
import {
  createPrimary,
  defineCounter,
  handlesFrom,
  held,
  identity,
  incrementNv,
  quote,
  readNvIndex,
  readPcrs,
  recalled,
  together,
  TpmError,
  TpmTransportError,
} from '../../../native-bindings/tpm/mod.ts';
import type { Tpm, Transport } from '../../../native-bindings/tpm/mod.ts';
import { ALG, CC, readAttest, RH, templates } from '../../../native-bindings/tpm/wire/mod.ts';
import { noSwtpm, startSwtpm } from '../../support/swtpm.ts';

const skip = noSwtpm ?? false;
const make = (transport: Transport) => createPrimary(transport, RH.ENDORSEMENT, templates.akP256);
const pcrs = { alg: ALG.SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 9, 14] };
const loaded = (tpm: Tpm): Promise<number[]> => tpm.use((transport) => handlesFrom(transport, 0x80000000));
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

t.test(
  'commands under way at once have each its own answer, in the order of the calls',
  { skip },
  async (t) => {
    const swtpm = await startSwtpm(t, { certified: false });
    const tpm = swtpm.open();
    await tpm.use(async (transport) => {
      await defineCounter(transport, 0x01800001);
      // Until it is stepped an index is another one, by its attributes.
      const [before, , after] = await together<[{ name: Buffer }, unknown, { name: Buffer }]>(
        readNvIndex(transport, 0x01800001),
        incrementNv(transport, 0x01800001),
        readNvIndex(transport, 0x01800001),
      );
      t.notSame(before.name, after.name);
      const nonces = Array.from({ length: 20 }, (_, i) => Buffer.alloc(32, i));
      const quotes = await held(transport, make(transport), (key) =>
        Promise.all(nonces.map((nonce) => quote(transport, key, nonce, pcrs))),
      );
      for (const [i, { attest }] of quotes.entries()) t.same(readAttest(attest).extraData, nonces[i]);
    });
  },
);

t.test('when the TPM stops none of those that are under way waits for ever', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tpm = swtpm.open({ deadline: 10_000 });
  await tpm.use(identity);
  swtpm.signal('SIGSTOP');
  const ended = await tpm.use((transport) =>
    Promise.all([1, 2, 3].map(() => failureOf(readPcrs(transport, pcrs)))),
  );
  for (const error of ended) t.ok(error instanceof TpmTransportError && error.why === 'hung', String(error));
  swtpm.signal('SIGCONT');
  t.equal((await tpm.use(identity)).manufacturer, 'IBM');
});

t.test('a failure is told when the others have ended, so that nothing is given up under them', async (t) => {
  const ends: string[] = [];
  const slow = new Promise<void>((resolve) => {
    setImmediate(() => {
      ends.push('slow');
      resolve();
    });
  });
  const failed = Promise.reject(new Error('first'));
  await t.rejects(together(failed, slow, Promise.reject(new Error('second'))), { message: 'first' });
  t.same(ends, ['slow']);
});

/** Codes of the commands that go by. */
function watched(tpm: Tpm): { readonly tpm: Tpm; readonly codes: number[] } {
  const codes: number[] = [];
  const by = (transport: Transport): Transport => ({
    transceive: (command) => {
      codes.push(Buffer.from(command).readUInt32BE(6));
      return transport.transceive(command);
    },
  });
  return { codes, tpm: { ...tpm, pid: tpm.pid, use: (work) => tpm.use((transport) => work(by(transport))) } };
}

t.test(
  'an object is made once, brought back after that, and nothing stays in the TPM',
  { skip },
  async (t) => {
    const swtpm = await startSwtpm(t, { certified: false });
    const { tpm, codes } = watched(swtpm.open());
    const key = recalled(make);
    const name = () => tpm.use((transport) => held(transport, key(transport), async (each) => each.name));
    const first = await name();
    t.ok(codes.includes(CC.CreatePrimary));
    codes.length = 0;
    t.same(await name(), first);
    t.same(codes, [CC.ContextLoad, CC.FlushContext]);
    const signed = await tpm.use((transport) =>
      held(transport, key(transport), (each) => quote(transport, each, Buffer.alloc(32), pcrs)),
    );
    t.equal(readAttest(signed.attest).type, 'quote', 'and it signs');
    t.same(await loaded(tpm), []);

    t.test('a TPM that was started anew does not know it any more: it is made again', async (t) => {
      await swtpm.restart();
      codes.length = 0;
      t.same(await name(), first);
      t.match(codes, [CC.ContextLoad, CC.CreatePrimary, CC.ContextSave]);
      t.same(await loaded(tpm), []);
    });

    t.test('nor does a TPM that was given another seed, whose key is another', async (t) => {
      await swtpm.tool('tpm2_changeeps');
      t.notSame(await name(), first);
      t.same(await loaded(tpm), []);
    });

    t.test('in a TPM that is full it is brought back when there is room', async (t) => {
      const again = await name();
      await tpm.use(async (transport) => {
        for (let i = 0; i < 3; i++) await make(transport);
      });
      codes.length = 0;
      t.same(await name(), again);
      t.notOk(codes.includes(CC.CreatePrimary));
      t.same(await loaded(tpm), []);
    });
  },
);

// A TPM that keeps its contexts to itself cannot be had: its refusal is put in its place.
t.test('where the TPM gives no context out, the object is made each time', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const { tpm, codes } = watched(swtpm.open());
  const refusing = (transport: Transport): Transport => ({
    transceive: (command) =>
      Buffer.from(command).readUInt32BE(6) === CC.ContextSave
        ? Promise.resolve(Buffer.from('80010000000a00000143', 'hex'))
        : transport.transceive(command),
  });
  const key = recalled(make);
  for (let i = 0; i < 2; i++)
    await tpm.use((transport) => held(transport, key(refusing(transport)), async () => undefined));
  t.equal(codes.filter((code) => code === CC.CreatePrimary).length, 2);
  t.same(await loaded(tpm), []);
  const unknown = tpm.use((transport) =>
    held(transport, make(transport), () => readNvIndex(transport, 0x01800009)),
  );
  t.ok((await failureOf(unknown)) instanceof TpmError);
  t.same(await loaded(tpm), [], 'and it is given up when its use fails');
});
