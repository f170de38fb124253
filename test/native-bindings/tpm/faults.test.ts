// What goes wrong with a TPM: it stops, dies, comes back, is full, locked, or taken. Nothing of ours hangs with it.
import t from 'tap';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  createPrimary,
  handlesFrom,
  held,
  identity,
  lockout,
  readLoaded,
  resetLockout,
  startSession,
  TpmTransportError,
} from '../../../native-bindings/tpm/mod.ts';
import type { Transport } from '../../../native-bindings/tpm/mod.ts';
import { execute } from '../../../native-bindings/tpm/commands/command.ts';
import { childTransport } from '../../../native-bindings/tpm/transport/child.ts';
import { CC, concat, put, RH, templates } from '../../../native-bindings/tpm/wire/mod.ts';
import { noSwtpm, startSwtpm } from '../../support/swtpm.ts';
import { until } from '../../support/until.ts';

const skip = noSwtpm ?? false;
const gone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

t.test(
  'a TPM that has stopped is given up after the deadline, and used again when it goes on',
  { skip },
  async (t) => {
    const swtpm = await startSwtpm(t, { certified: false });
    // Long enough for the transport's process to start on a busy machine.
    const tpm = swtpm.open({ deadline: 10_000 });
    await tpm.use(identity);
    const { pid } = tpm;
    swtpm.signal('SIGSTOP');
    const error = await tpm.use(identity).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.ok(error instanceof TpmTransportError && error.why === 'hung', String(error));
    await until('the stuck process is gone', () => gone(pid ?? 0));
    swtpm.signal('SIGCONT');
    t.equal((await tpm.use(identity)).manufacturer, 'IBM');
  },
);

t.test('a TPM that is killed and started again is used again', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tpm = swtpm.open();
  const name = () =>
    tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async (key) => key.name),
    );
  const before = await name();
  await swtpm.kill();
  await t.rejects(name(), TpmTransportError);
  await swtpm.restart();
  t.same(await name(), before, 'and has the same attestation key');
});

t.test('a TPM whose objects and sessions are all taken is emptied and used', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tpm = swtpm.open();
  const key = (transport: Transport) => createPrimary(transport, RH.ENDORSEMENT, templates.akP256);
  await tpm.use(async (transport) => {
    for (let i = 0; i < 3; i++) await key(transport);
    for (let i = 0; i < 3; i++) await startSession(transport, 'policy');
  });
  t.equal(await tpm.use((transport) => held(transport, key(transport), async ({ name }) => name.length)), 34);
  t.ok(await tpm.use((transport) => held(transport, startSession(transport, 'policy'), async () => true)));
  t.equal((await tpm.use((transport) => handlesFrom(transport, 0x80000000))).length, 0);
});

t.test('a TPM in lockout says so, and is released', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tool = (...command: string[]) => swtpm.tool(...command);
  await tool('tpm2_dictionarylockout', '--setup-parameters', '--max-tries=2', '--recovery-time=1000');
  await tool('tpm2_createprimary', '-C', 'o', '-p', 'right', '-c', 'key.ctx');
  for (let i = 0; i < 2; i++)
    await t.rejects(tool('tpm2_create', '-C', 'key.ctx', '-P', 'wrong', '-u', 'k.pub', '-r', 'k.priv'));
  const tpm = swtpm.open();
  t.match(await tpm.use(lockout), { failures: 2, limit: 2, locked: true });
  t.ok(
    await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async () => true),
    ),
    'keys that no lockout concerns work on',
  );
  await tpm.use((transport) => resetLockout(transport));
  t.match(await tpm.use(lockout), { failures: 0, locked: false });
});

t.test('two processes that use one TPM at once both get their answers', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const worker = fileURLToPath(new URL('./quoting.ts', import.meta.url));
  const children = [0, 1].map(() => fork(worker, [swtpm.name], { execArgv: [] }));
  const codes = await Promise.all(children.map((child) => once(child, 'exit')));
  t.same(
    codes.map(([code]) => code as number),
    [0, 0],
  );
});

t.test('a TPM that is not there is an error that names it', async (t) => {
  const none = childTransport({ name: 'device:/nonexistent/tpm' });
  t.teardown(() => none.close());
  await t.rejects(none.transceive(Buffer.alloc(10)), /\/nonexistent\/tpm cannot be opened/);
});

t.test('without a name there is no TPM, and none is looked for', async (t) => {
  t.throws(() => childTransport({ name: '' }), /no TPM is named/);
});

t.test('the process of the transport ends when it has nothing to do', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tpm = swtpm.open({ idle: 50 });
  await tpm.use(identity);
  const { pid } = tpm;
  await until('it has ended', () => gone(pid ?? 0));
  t.equal((await tpm.use(identity)).manufacturer, 'IBM', 'and is started again');
});

// A TPM that asks for patience cannot be had on demand: this transport stands in for one.
t.test('what a TPM asks to repeat is repeated', async (t) => {
  const answers = [0x922, 0x908, 0x90a, 0].map((code) => {
    const body = code === 0 ? put.sized(Buffer.from('ab')) : Buffer.alloc(0);
    return concat(put.u16(0x8001), put.u32(10 + body.length), put.u32(code), body);
  });
  const transport: Transport = { transceive: () => Promise.resolve(answers.shift() ?? Buffer.alloc(0)) };
  const { reader } = await execute(transport, { code: CC.GetRandom, parameters: put.u16(2) });
  t.same(reader.sized(), Buffer.from('ab'));
  await t.rejects(readLoaded(transport, 1), /TPM structure/, 'and an empty answer is an error');
});
