import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { connect } from '../../daemon/wire/mod.ts';
import { startDaemon, until } from '../support/daemon.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const script = fileURLToPath(new URL('../support/agent-inside.ts', import.meta.url));

t.test(
  'an agent asks in advance, reports its tool calls and justifies itself; all is on record',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run({ FAKE_RECORDS: '1' });
    const { initPid } = await daemon.session(id);
    const socket = join(daemon.runDir, 'sessions', id, 'agent', 'agent.sock');
    const inside = [
      '--target',
      `${initPid}`,
      '--pid',
      '--',
      process.execPath,
      '--disable-warning=ExperimentalWarning',
    ];
    const { stdout } = await promisify(execFile)('nsenter', [...inside, script, socket, `${id}-2`]);
    t.match(JSON.parse(stdout), {
      answers: {
        read: { effect: 'allow', rule: 'open/files[0]' },
        write: { effect: 'deny', rule: 'builtin/default-deny' },
        short: { effect: 'allow' },
        connect: { effect: 'deny' },
      },
      strange: /no such record/,
    });
    const told = (await daemon.records({ session: id })).filter(({ kind }) => kind === 'tool');
    t.match(told, [
      { operation: 'ask', object: '/etc/hosts', detail: { effect: 'allow' } },
      { operation: 'ask', object: '/etc/hosts', detail: { effect: 'deny' } },
      { operation: 'ask', object: '/a', detail: { effect: 'allow' } },
      { operation: 'ask', object: 'example.com:443' },
      {
        operation: 'call',
        object: 'bash',
        detail: { callId: 'c1', arguments: '{"command":"ls"}', result: 'a b' },
      },
      { operation: 'justify', object: `${id}-2`, reason: 'I needed the list' },
    ]);
  },
);

t.test(
  'a process that is not of the session is turned away from its socket, and that is recorded',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run();
    const connection = await connect(join(daemon.runDir, 'sessions', id, 'agent', 'agent.sock'));
    await t.rejects(connection.ask('reportToolCall', { tool: 'forged' }), { code: 'unavailable' });
    const closed = (await daemon.records({ session: 'daemon' })).filter(
      ({ object }) => object === 'agent.sock',
    );
    t.match(closed, [{ operation: 'connection-closed', reason: /is not of session/ }]);
    t.notOk((await daemon.records({ session: id })).some(({ kind }) => kind === 'tool'));
  },
);

t.test(
  'noise, half frames, strange messages and floods on an agent socket cost that connection only',
  async (t) => {
    const daemon = await startDaemon(t);
    const id = await daemon.run({ FAKE_RECORDS: '1' });
    const other = await daemon.run();
    const { initPid } = await daemon.session(id);
    const socket = join(daemon.runDir, 'sessions', id, 'agent', 'agent.sock');
    const inside = async (script: string, ...args: readonly string[]): Promise<Record<string, unknown>> => {
      const enter = ['--target', `${initPid}`, '--pid', '--', process.execPath];
      const program = fileURLToPath(new URL(`../support/${script}`, import.meta.url));
      const { stdout } = await promisify(execFile)('nsenter', [
        ...enter,
        '--disable-warning=ExperimentalWarning',
        program,
        socket,
        ...args,
      ]);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    t.match(await inside('hostile-inside.ts'), {
      noise: 'closed',
      strange: 'closed',
      oversize: 'closed',
      flood: 'closed',
      // Its deadline is a matter of the connection (test/wire/connection.test.ts): nobody waits for it.
      halfFrame: 'open',
    });
    t.match(
      await inside('agent-inside.ts', `${id}-2`),
      { answers: { read: { effect: 'allow' } } },
      'served as before',
    );
    for (const session of [id, other]) t.match(await daemon.session(session), { state: 'running' });
    const told = async (): Promise<string> =>
      (await daemon.records({ session: 'daemon' }))
        .filter(({ object }) => object === 'agent.sock')
        .map(({ reason }) => String(reason))
        .join('\n');
    await until(async () => (await told()).includes('flood'));
    t.match(await told(), /^protocol: malformed/m, 'what was wrong is on record, and the flood');
  },
);

t.test('a process of a session is turned away from the admin socket', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const { initPid } = await daemon.session(id);
  const ask = fileURLToPath(new URL('../support/ask-as.ts', import.meta.url));
  const inside = [
    '--target',
    `${initPid}`,
    '--pid',
    '--',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
  ];
  const { stdout } = await promisify(execFile)('nsenter', [
    ...inside,
    ask,
    '0',
    '0',
    daemon.adminSocket,
    '[["status", {}]]',
  ]);
  t.match(JSON.parse(stdout), { kind: 'failure', body: { code: 'unavailable' } });
  const closed = (await daemon.records({ session: 'daemon' })).filter(
    ({ object }) => object === 'admin.sock',
  );
  t.match(closed, [{ reason: /came to the admin socket/ }]);
});
