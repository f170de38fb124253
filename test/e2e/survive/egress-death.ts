// kill -9 of egress: connections end, it comes back, nothing leaks.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { processesNaming } from '../../support/leftovers.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason } from './ground.ts';

/** The egress process is the one that runs dist/egress.js below this supervisor. */
const egressOf = (supervisorPid: number): number | undefined =>
  processesNaming('egress.js').find(({ parent }) => parent === supervisorPid)?.pid;

t.test('a session gets its egress back, and nothing leaks', { skip: skipReason() }, async (t) => {
  let unwanted = 0;
  const granted = createServer((_request, response) => response.end('granted\n'));
  const denied = createServer((_request, response) => response.end('denied\n'));
  denied.on('connection', () => unwanted++);
  for (const server of [granted, denied]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  const port = (granted.address() as AddressInfo).port;
  const other = (denied.address() as AddressInfo).port;
  const ground = await prepare(t, 'egress', { network: [`127.0.0.1:${port}`] });
  const { cordon, workspace } = ground;
  const shell = await ground.shell();
  const { supervisorPid } = await cordon.sessionIn(workspace);
  const fetch = `curl -sS -m 5 http://127.0.0.1:${port}/`;
  t.equal((await shell.ask(fetch)).text, 'granted\n', 'a granted address answers');

  const egress = await until('egress runs', () => egressOf(supervisorPid));
  process.kill(egress, 'SIGKILL');
  t.not((await shell.ask(`curl -sS -m 3 http://127.0.0.1:${other}/`)).code, 0, 'another address stays shut');
  const again = await until('egress runs again', () => {
    const pid = egressOf(supervisorPid);
    return pid === egress ? undefined : pid;
  });
  t.ok(again > 0, 'egress was started again');
  await until(
    'the granted address answers again',
    async () => (await shell.ask(fetch)).text === 'granted\n',
    {
      every: 200,
    },
  );
  t.not((await shell.ask(`curl -sS -m 3 http://127.0.0.1:${other}/`)).code, 0, 'another address stays shut');
  t.equal(unwanted, 0, 'the other server saw no connection');
  t.equal(await shell.leave(), 0);
});

t.test('nor does an agent end it by what it connects to', { skip: skipReason() }, async (t) => {
  const ground = await prepare(t, 'egress-port', { network: ['127.0.0.1:*'] });
  const { cordon, workspace } = ground;
  const shell = await ground.shell();
  const { session, supervisorPid } = await cordon.sessionIn(workspace);
  const egress = await until('egress runs', () => egressOf(supervisorPid));
  t.match((await shell.ask('exec 3<>/dev/tcp/127.0.0.1/0')).text, /refused/i, 'nobody can listen on port 0');
  const long = `${'d'.repeat(200)}/`.repeat(18);
  await shell.ask(
    `mkdir -p ${long} && cp "$(command -v bash)" ${long}sh && ${long}sh -c ': <>/dev/tcp/127.0.0.1/1'`,
  );
  t.equal(egressOf(supervisorPid), egress, 'it is the same as before');
  const connects = (await cordon.records(session)).filter(({ operation }) => operation === 'connect');
  t.match(
    connects.map(({ object, outcome }) => [object, outcome]),
    [['127.0.0.1:0', 'ECONNREFUSED'], ['127.0.0.1:1']],
  );
  t.equal(await shell.leave(), 0);
});
