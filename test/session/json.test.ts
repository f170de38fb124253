// Every verb of the command line as a script uses it: with --json, against a real cordond with a real session.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verbs } from '../../daemon/cli/table.ts';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { SandboxShell } from '../support/sandbox-shell.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? false;

/** Run elsewhere with --json: they need a TPM, a verifier, tokens or sealed values, or do not end by themselves. */
const elsewhere = /^(attest|verifier|secret|token|completion|audit reveal)/;

t.test('every verb says what it has to say as JSON', { skip }, async (t) => {
  const user = testUser('json');
  const workspace = mkdtempSync(join(user.home, 'json-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  const cordon = await TestCordon.start();
  t.teardown(() => cordon.stop().then(() => undefined));
  const how = { user, workspace, profile: 'coding-agent' };
  const shell = await SandboxShell.start(cordon, how);
  await shell.ask('cat ~/.ssh/id_rsa; echo x > ~/outside');
  const { session } = await cordon.sessionIn(workspace);
  const block = await until('a denial is on record', async () => (await cordon.blocks(session))[0]);
  const export_ = join(temporaryDirectory(t), 'export.jsonl');
  const bad = join(temporaryDirectory(t), 'bad.yaml');
  writeFileSync(bad, 'cordon: 1\nname: bad\nversion: 1\nfilez: []\n');

  const cases: readonly (readonly [readonly string[], object, number?])[] = [
    [['status'], { sessions: 1, killed: false }],
    [['doctor'], { daemon: true, checks: [{ name: String, state: /ok|warn|fail/ }] }],
    [['sessions', session], { sessions: [{ session, state: 'running', profile: 'coding-agent' }] }],
    [['blocks', '--session', session], { blocks: [{ session, disposition: 'denied' }] }],
    [['explain', block.id], { record: { id: block.id }, rule: /./, layer: /./ }],
    [['freeze', session], { verb: 'freeze', sessions: [session] }],
    [['resume', session], { verb: 'resume', sessions: [session] }],
    [['policy', 'check', 'coding-agent'], { ok: true, profile: { name: 'coding-agent' } }],
    [['policy', 'check', bad], { ok: false, error: { code: 'policy-invalid', line: 4, key: 'filez' } }, 1],
    [
      ['policy', 'show', 'coding-agent', '--workspace', workspace],
      { profile: 'coding-agent', rules: [{ file: /./, line: Number }] },
    ],
    [['policy', 'test', 'locked-down'], { ok: true, profiles: [{ profile: 'locked-down', failed: 0 }] }],
    [['audit', 'tail', '--session', session, '--limit', '1'], { session, id: /./ }],
    [['audit', 'query', '--session', session, '--limit', '1'], { records: [{ session }] }],
    [['audit', 'export', '--out', export_], { format: 'jsonl', out: export_, entries: Number }],
    [['audit', 'verify'], { ok: true, problems: [] }],
    [['audit', 'verify', '--file', export_], { ok: true, trusted: false }],
    [['audit', 'prove', block.id], { ok: true, id: block.id, proof: Array }],
    [['audit', 'sinks'], { sinks: [] }],
    [['kill', session], { verb: 'kill', sessions: [session] }],
    [['explain', 'zzzzzzzz-1'], { error: { code: 'not-found', message: /./ } }, 1],
  ];
  for (const [args, expected, status = 0] of cases) {
    const ran = await cordon.cli([...args, '--json'], { within: 120_000 });
    const said = args.join(' ');
    // Whether this machine has every layer is its own business.
    if (args[0] !== 'doctor') t.equal(ran.code, status, `${said}: ${ran.stderr}`);
    const text = 'error' in expected && !('ok' in expected) ? ran.stderr : ran.stdout;
    t.equal(text.trimEnd().split('\n').length, 1, `${said}: one line`);
    t.match(JSON.parse(text), expected, said);
  }
  const ran = await cordon.run(['false'], { ...how, options: ['--json'] });
  t.match(JSON.parse(ran.stderr), { session: /./, exit: 1, denied: 0, blocks: [] }, 'run, on stderr');
  const said = new Set([...cases.map(([args]) => args.join(' ')), 'run']);
  const untried = verbs
    .map(({ name }) => name)
    .filter((name) => !elsewhere.test(name) && ![...said].some((each) => `${each} `.startsWith(`${name} `)));
  t.same(untried, [], 'no verb is left out');
});
