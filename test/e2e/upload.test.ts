// A real session under a real cordond, whose records arrive at a real nats-server, at an OTLP receiver and in a file,
// while cordond and the uploader are killed.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { processesNaming } from '../support/leftovers.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { startReceiver } from '../support/otlp/receiver.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? noNats();

interface Sinks {
  readonly sinks: readonly {
    readonly name: string;
    readonly next: number;
    readonly lag: number;
    readonly refused: number;
    readonly error: { readonly message: string } | null;
  }[];
}
interface Line {
  readonly uid?: string;
  readonly checkpoint?: string;
}

const settingsText = (receiver: string, port: number, directory: string): string => `
records:
  sinks:
    siem: { otlp: "${receiver}", batch: 16 }
    fleet: { nats: "nats://127.0.0.1:${port}", stream: AUDIT, create: true, batch: 16 }
    shipper: { directory: ${directory}, batch: 16 }
    denials: { directory: ${directory}, verdicts: [denied] }
`;

const bundle = new URL('../../dist/uploader.js', import.meta.url).pathname;
const leafOf = (text: string): string => createHash('sha256').update('\0').update(text).digest('hex');

t.test(
  'records of a session arrive at every sink, whoever dies on the way',
  { skip, timeout: 170_000 },
  async (t) => {
    const receiver = await startReceiver(t);
    const server = await startNats(t);
    const directory = join(temporaryDirectory(t), 'records');
    mkdirSync(directory, { mode: 0o750 });
    const cordon = await TestCordon.start({ settings: settingsText(receiver.url, server.port, directory) });
    t.teardown(() => cordon.stop().then(() => undefined));
    const user = testUser('upload');
    const workspace = mkdtempSync(join(user.home, 'upload-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);

    const uploader = (): number | undefined =>
      processesNaming(bundle).find(({ parent }) => parent === cordon.daemonPid)?.pid;
    const work =
      'for i in $(seq 40); do echo $i > file$i; cat file$i > /dev/null; done; cat /etc/shadow; ls ~/.ssh; true';
    const run = (): Promise<unknown> =>
      cordon.run(['bash', '-c', work], { user, workspace, profile: 'coding-agent' });
    const running = run();
    const pid = await until('the uploader runs', uploader);
    const confined = (): string | undefined => {
      const text = readFileSync(`/proc/${pid}/status`, 'utf8');
      return /^NoNewPrivs:\t1$/m.test(text) && /^Seccomp_filters:\t2$/m.test(text) ? text : undefined;
    };
    const status = await until('the uploader has confined itself', confined);
    t.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m, 'the uploader is nobody');
    t.match(status, /^Seccomp:\t2$/m, 'under a filter');
    t.match(status, /^CapPrm:\t0+$/m, 'without capabilities');
    t.equal(
      readFileSync(`/proc/${pid}/environ`, 'utf8'),
      'MALLOC_ARENA_MAX=1\0',
      'and nothing of our environment',
    );
    process.kill(pid, 'SIGKILL');
    await running;
    await cordon.killDaemon();
    await server.crash();
    await cordon.startDaemon();
    await server.start();
    await run();

    const settled = async (): Promise<boolean> => {
      const { sinks } = await cordon.json<Sinks>(['audit', 'sinks']);
      return sinks.every(({ lag, error }) => lag === 0 && error === null);
    };
    await until('every sink has everything', settled, {
      within: 60_000,
      every: 200,
      evidence: () => cordon.log,
    });
    const lines = readFileSync(join(directory, 'shipper.jsonl'), 'utf8').split('\n').slice(0, -1);
    const inFile = lines.map((line) => JSON.parse(line) as Line).filter(({ uid }) => uid !== undefined);
    const ids = inFile.map(({ uid }) => uid);
    t.ok(ids.length > 160, `there are ${ids.length} records`);
    t.equal(new Set(ids).size, ids.length, 'in the file each is once');

    const received = receiver.unique();
    t.strictSame(
      received.map(({ attributes }) => attributes['event.id']),
      ids,
      'OTLP has them, in the order of the log',
    );
    t.strictSame(receiver.malformed, []);
    const wrong = received.filter(
      ({ attributes }) => leafOf(String(attributes['log.record.original'])) !== attributes['cordon.log.leaf'],
    );
    t.strictSame(wrong, [], 'and the bytes that came hash to their leaves');
    const stored = (await server.stored()).filter(({ headers }) => headers['Cordon-Event'] !== undefined);
    t.strictSame(
      stored.map(({ headers }) => headers['Cordon-Event']),
      ids,
      'JetStream has each once, in that order',
    );
    t.strictSame(
      stored.filter(({ text, headers }) => leafOf(text) !== headers['Cordon-Leaf']),
      [],
    );

    const denials = readFileSync(join(directory, 'denials.jsonl'), 'utf8');
    t.match(denials, /\/etc\/shadow/, 'the denial is among the denials');
    t.notMatch(denials, /"file1"/, 'what was allowed is not');
    const table = await cordon.cli(['audit', 'sinks']);
    t.match(table.stdout, /^SINK +KIND +STATE +LAG/m);
    t.match(table.stdout, /^fleet +nats +(?:idle|sending) +0 /m);
  },
);
