// Runs a group of attacks twice: without Cordon, which shows that they can succeed, and in one session, in which they
// must not. Each attack is a subtest of its own: blocked, without effect seen from outside, and recorded.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { capture } from '../support/capture.ts';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { asUser, notRoot, testUser } from '../support/user.ts';
import { parseOutcome, recordMatches, type Attack, type Outcome } from './support/attack.ts';
import { buildPrograms, noCompiler, type Programs } from './support/build.ts';
import { applied } from './support/change.ts';
import { giveTo, makeSite, picture, removeSite, siteArguments, type Site } from './support/site.ts';

export type { Attack, Outcome, RecordMatch } from './support/attack.ts';
export type { Site } from './support/site.ts';

export interface Group {
  readonly attacks: readonly Attack[];
  /** What else lies around; called for each site before it is given to the user. */
  readonly prepare?: (site: Site) => void;
  /** What runs outside during the attacks (listeners, victims); returns how to end it. */
  readonly surround?: (site: Site, programs: Programs) => Promise<() => void | Promise<void>>;
  /** More arguments for the probe. */
  readonly more?: (site: Site, runDir: string) => readonly string[];
  /** More file rules for the profile, a line each. */
  readonly files?: (site: Site) => readonly string[];
  /** More of the profile, as YAML at its end. */
  readonly profile?: (site: Site) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** Looks at the whole session before its site is removed: everything recorded, denied or not. */
  readonly examine?: (site: Site, records: readonly SessionRecord[]) => void;
  /** Milliseconds for a session. */
  readonly within?: number;
}

export interface Ran {
  readonly site: Site;
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly before: ReadonlyMap<string, string>;
  readonly stdout: string;
  readonly stderr: string;
  /** What happened, by case; looked at while what surrounds the site was still there. */
  readonly happened: ReadonlyMap<string, boolean>;
  /** The denials. */
  readonly records: readonly SessionRecord[];
}

/** Why attacks cannot be run here, or undefined. */
export const cannotAttack = (): string | undefined => notRoot() ?? noCompiler();

const quoted = (path: string): string => JSON.stringify(path);

/** The profile that attacks run under: the built-in coding agent's, and the site's own rules. */
export function profileFor(site: Site, group: Pick<Group, 'files' | 'profile'> = {}): string {
  const rules = (group.files?.(site) ?? []).map((rule) => `  - ${rule}\n`).join('');
  return `cordon: 1
name: adversary
version: 1
extends: [coding-agent]
files:
  - { allow: [read], in: [${quoted(site.base)}] }
  - { allow: [read, exec], in: [${quoted(join(site.base, 'bin'))}] }
  - { never: [read, write], in: [${quoted(site.vault)}, "\${home}/.ssh", "**/.env"], because: "credentials" }
  - { never: [read, write], in: [${['rename-parent-of-never', 'exchange-parent-of-never'].map((name) => quoted(join(site.ws, name, 'vault2/key'))).join(', ')}], because: "a key in the workspace" }
${rules}exec:
  - { allow: ["**"] }
  - { never: [${quoted(join(site.base, 'bin/forbidden'))}], because: "forbidden here" }
${group.profile?.(site) ?? ''}`;
}

function outcomesOf(stdout: string): Map<string, Outcome> {
  const found = new Map<string, Outcome>();
  for (const line of stdout.split('\n')) {
    const outcome = parseOutcome(line);
    if (outcome !== undefined) found.set(outcome.case, outcome);
  }
  return found;
}

/** The picture changed, or the canary came out. */
function tookEffect(ran: Pick<Ran, 'site' | 'before'>, outcome: Outcome): boolean {
  return (
    picture(ran.site, outcome.case) !== ran.before.get(outcome.case) ||
    outcome.detail.includes(ran.site.canary)
  );
}

async function effects(group: Group, ran: Omit<Ran, 'happened' | 'records'>): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  for (const attack of group.attacks) {
    const outcome = ran.outcomes.get(attack.case);
    if (outcome === undefined) continue;
    const happened = attack.happened ? await attack.happened(ran.site, outcome) : tookEffect(ran, outcome);
    found.set(attack.case, happened);
  }
  return found;
}

function siteFor(group: Group, programs: Programs): Site {
  const site = makeSite(
    testUser('adv'),
    programs,
    group.attacks.map((attack) => attack.case),
  );
  group.prepare?.(site);
  giveTo(site.user, site.base);
  return site;
}

const pictures = (group: Group, site: Site): Map<string, string> =>
  new Map(group.attacks.map((attack) => [attack.case, picture(site, attack.case)]));

type Runner = (site: Site, argv: readonly string[]) => Promise<{ stdout: string; stderr: string }>;

async function runOn(
  group: Group,
  site: Site,
  runDir: string,
  cases: readonly string[],
  run: Runner,
): Promise<Ran> {
  const end = await group.surround?.(site, buildPrograms());
  try {
    const before = pictures(group, site);
    const argv = [site.probe, ...siteArguments(site), ...(group.more?.(site, runDir) ?? []), ...cases];
    const { stdout, stderr } = await run(site, argv);
    const ran = { site, outcomes: outcomesOf(stdout), before, stdout, stderr };
    return { ...ran, happened: await effects(group, ran), records: [] };
  } finally {
    await end?.();
    removeSite(site);
  }
}

const nativeRunner =
  (group: Group): Runner =>
  async (site, argv) => {
    const [file = '', ...rest] = asUser(site.user, argv);
    const env = { PATH: '/usr/bin:/bin', HOME: site.user.home, ...group.env };
    return capture(spawn(file, rest, { cwd: site.ws, env, stdio: 'pipe', timeout: group.within ?? 120_000 }));
  };

/** Every record of a session, oldest first. */
async function everything(cordon: TestCordon, session: string): Promise<SessionRecord[]> {
  const ran = await cordon.cli(['audit', 'tail', '--session', session, '--limit', '10000', '--json']);
  if (ran.code !== 0) throw new Error(`cordon audit tail exited ${ran.code}: ${ran.stderr}`);
  return ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SessionRecord);
}

function sandboxRunner(
  group: Group,
  cordon: TestCordon,
  keep: (records: readonly SessionRecord[]) => void,
): Runner {
  return async (site, argv) => {
    const ran = await cordon.run(argv, {
      user: site.user,
      workspace: site.ws,
      profile: 'adversary',
      within: group.within ?? 120_000,
      ...(group.env === undefined ? {} : { env: group.env }),
    });
    const session = await cordon.sessionIn(site.ws).catch((error: unknown) => {
      throw new Error(`no session: cordon run exited ${ran.code}\n${ran.stderr}\n${cordon.log}`, {
        cause: error,
      });
    });
    keep(await cordon.blocks(session.session));
    if (group.examine !== undefined) group.examine(site, await everything(cordon, session.session));
    return ran;
  };
}

/** The daemon's directories lie where the sandbox sees the host's tree: not behind a private /tmp. */
async function startVisible(profiles: Readonly<Record<string, string>>): Promise<TestCordon> {
  process.env['TMPDIR'] = '/srv';
  try {
    return await TestCordon.start({ profiles });
  } finally {
    delete process.env['TMPDIR'];
  }
}

async function attackSession(group: Group): Promise<Ran> {
  const site = siteFor(group, buildPrograms());
  const cordon = await startVisible({ adversary: profileFor(site, group) });
  try {
    let records: readonly SessionRecord[] = [];
    const cases = group.attacks.map((attack) => attack.case);
    const runner = sandboxRunner(group, cordon, (found) => (records = found));
    const ran = await runOn(group, site, cordon.runDir, cases, runner);
    return { ...ran, records };
  } finally {
    await cordon.stop();
  }
}

function controlRun(group: Group): Promise<Ran> {
  const cases = group.attacks.filter((attack) => attack.native !== 'not-run').map((attack) => attack.case);
  return runOn(group, siteFor(group, buildPrograms()), '/run/cordon', cases, nativeRunner(group));
}

/** Without Cordon the attack works: otherwise its being blocked would prove nothing. */
function assertControl(t: Test, attack: Attack, control: Ran): void {
  if (attack.native === 'not-run') return;
  const outcome = control.outcomes.get(attack.case);
  const said = JSON.stringify(outcome ?? control.stderr);
  if (attack.native === 'refused') {
    t.not(outcome?.result, undefined, `without Cordon the case runs: ${said}`);
    return;
  }
  const happened = control.happened.get(attack.case);
  if (outcome?.result === 'succeeded' || happened === true) {
    t.equal(happened, true, `without Cordon it takes effect: ${said}`);
    return;
  }
  t.comment(`it has no effect here without Cordon either: ${said}`);
}

function nearest(records: readonly SessionRecord[], name: string): readonly string[] {
  return records
    .filter((record) => JSON.stringify(record).includes(name))
    .slice(0, 5)
    .map(
      (record) =>
        `${record.kind} ${record.operation} ${record.object} ${record.object2 ?? ''} ${record.disposition}`,
    );
}

function assertRecorded(t: Test, attack: Attack, ran: Ran): void {
  if (attack.record === undefined) {
    t.comment(`nothing to record: ${attack.unrecorded ?? 'the attack is made of allowed actions'}`);
    return;
  }
  const match = attack.record(ran.site);
  const found = ran.records.find((record) => recordMatches(record, match));
  const diagnostics = {
    match: String(match.operation),
    ...match,
    nearest: nearest(ran.records, attack.case),
  };
  t.ok(found, 'the denial is recorded', { diagnostics });
  if (found === undefined) return;
  t.not(found.reason, '', 'the record gives a reason');
}

function assertBlocked(t: Test, attack: Attack, ran: Ran): void {
  const outcome = ran.outcomes.get(attack.case);
  const said = JSON.stringify(outcome ?? `no answer; ${ran.stdout.slice(-500)} ${ran.stderr.slice(-500)}`);
  if (attack.allowed === true) {
    t.equal(outcome?.result, 'succeeded', `it works inside: ${said}`);
    return;
  }
  const expected = attack.mayReport ?? 'blocked';
  t.ok(outcome?.result === 'blocked' || outcome?.result === expected, `the probe says ${expected}: ${said}`);
  t.equal(ran.happened.get(attack.case), false, 'it had no effect');
  assertRecorded(t, attack, ran);
}

/** Without Cordon at hand: at least the attacks are shown to work. */
async function controlAlone(t: Test, group: Group): Promise<void> {
  const control = await controlRun(group);
  for (const attack of group.attacks) {
    await t.test(`${attack.case}: without Cordon`, async (t) => {
      assertControl(t, attack, control);
    });
  }
  await t.test('the attacks under Cordon', { skip: notBuilt() ?? '' }, async () => undefined);
}

/** Changes worked out for one group: each compiles profiles. */
const maxChanges = 40;

/** Of denials that say the same of the same place, one. */
function differentOnes(records: readonly SessionRecord[]): SessionRecord[] {
  const seen = new Map<string, SessionRecord>();
  for (const record of records) {
    const place = record.object.slice(0, record.object.lastIndexOf('/'));
    seen.set(`${record.kind} ${record.operation} ${record.rule?.id ?? ''} ${place}`, record);
  }
  return [...seen.values()].slice(0, maxChanges);
}

/** Questions that the change for this record may answer otherwise. */
function concerned({ kind, operation, object, object2 = '' }: SessionRecord): Set<string> {
  const access = kind === 'exec' ? ['exec'] : kind === 'socket' ? ['socket'] : ['read', 'write', 'exec'];
  // A file that is only read or run has nothing below; what is renamed takes its contents along.
  const below = kind !== 'file' || ['rename', 'symlink', 'read', 'open', 'openat2'].includes(operation);
  const places = [object, object2].flatMap((place) => (below ? [place, `${place}/below`] : [place]));
  return new Set(places.flatMap((place) => access.map((each) => `${each} ${place}`)));
}

/** The smallest change for each denial allows it (smallestChange tries it), and answers nothing else otherwise. */
function assertChanges(t: Test, group: Group, ran: Ran): void {
  const text = profileFor(ran.site, group);
  const all = differentOnes(ran.records).map((record) => applied(ran.site, text, record));
  for (const { record, yaml, note, widened } of all) {
    const what = `${record.kind} ${record.operation} ${record.object} (${record.rule?.id ?? ''})`;
    if (yaml === '') {
      t.not(note, '', `no change, and why: ${what}`);
      continue;
    }
    // A protection is granted by its name, whole, and the note says what that means.
    if (yaml.includes('protect:')) {
      t.match(note, /run code outside the sandbox/, what);
      continue;
    }
    const may = concerned(record);
    t.same(
      widened.filter((question) => !may.has(question)),
      [],
      `the change allows nothing else: ${what}`,
      { yaml },
    );
  }
}

/** Runs the group and makes one subtest of every attack. */
export async function attackAll(t: Test, group: Group): Promise<void> {
  const reason = cannotAttack();
  if (reason !== undefined) {
    await t.test('the attacks', { skip: reason }, async () => undefined);
    return;
  }
  if (notBuilt() !== undefined) {
    await controlAlone(t, group);
    return;
  }
  const control = await controlRun(group);
  const ran = await attackSession(group);
  for (const attack of group.attacks) {
    await t.test(`${attack.case}: ${attack.title}`, async (t) => {
      assertControl(t, attack, control);
      assertBlocked(t, attack, ran);
    });
  }
  await t.test('what explain would add to allow each denial allows exactly that', async (t) => {
    assertChanges(t, group, ran);
  });
  t.notMatch(ran.stdout, ran.site.canary, 'the canary came out nowhere');
}
