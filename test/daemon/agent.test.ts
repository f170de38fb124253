import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { connect } from '../../daemon/wire/mod.ts';
import { startDaemon } from '../support/daemon.ts';

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
        connect: { effect: 'deny' },
      },
      strange: /no such record/,
    });
    const told = (await daemon.records({ session: id })).filter(({ kind }) => kind === 'tool');
    t.match(told, [
      { operation: 'ask', object: '/etc/hosts', detail: { effect: 'allow' } },
      { operation: 'ask', object: '/etc/hosts', detail: { effect: 'deny' } },
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
