// A real agent's session on its way to the SIEM: in the spool as OCSF, checkable by a stranger, and at an OTLP collector and
// in NATS JetStream, while both sinks die, the disk fills, and cordond and its uploaders are killed.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { violations } from '../../ocsf/validate.ts';
import { notBuilt } from '../../support/cordon.ts';
import { noNats, startNats, type Stored } from '../../support/nats-server.ts';
import { startReceiver } from '../../support/otlp/receiver.ts';
import { smallDisk } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { until } from '../../support/until.ts';
import { claude, notInstalled } from '../agents.ts';
import { checkRecords, checkWork } from '../checks.ts';
import { evidence, prompt, setScene, withCordon, type CordonScene } from '../scene.ts';
import { callWitness } from '../witness.ts';
import { befall, diskStep } from './calamity.ts';

const script = fileURLToPath(new URL('check.py', import.meta.url));
const skip = notInstalled(claude) ?? notBuilt() ?? noNats();

interface Event {
  readonly metadata: { readonly uid: string };
  readonly disposition_id?: number;
}
const eventOf = (text: string): Event => JSON.parse(text) as Event;

/** Until every sink has said that it has everything. */
async function shipped({ cordon }: CordonScene): Promise<void> {
  interface Sinks {
    readonly sinks: readonly { readonly lag: number; readonly error: unknown }[];
  }
  let last: Sinks | undefined;
  await until(
    'nothing lags',
    async () => (last = await cordon.json<Sinks>(['audit', 'sinks'])).sinks.every(({ lag }) => lag === 0),
    { within: 150_000, every: 200, evidence: () => JSON.stringify(last) + cordon.log },
  );
}

const isRecord = ({ subject }: Stored): boolean => !subject.endsWith('.checkpoint');
const lineOf = ({ headers, text }: Stored): string =>
  JSON.stringify({
    position: Number(headers['Cordon-Position']),
    leaf: headers['Cordon-Leaf'],
    chain: headers['Cordon-Chain'],
    event: Buffer.from(text).toString('base64'),
  });

t.test('a real agent’s session reaches the SIEM, whatever befalls', { skip, timeout: 400_000 }, async (t) => {
  const nats = await startNats(t);
  const receivers = [await startReceiver(t)];
  const stateDir = smallDisk(t, '64m');
  const witness = await callWitness(t);
  const settings = `records:
  sinks:
    siem: { otlp: "${receivers[0]!.url}", batch: 64 }
    fleet: { nats: ["nats://127.0.0.1:${nats.port}"], stream: AUDIT, create: true }
`;
  const scene = await withCordon(t, await setScene(t, claude, { between: diskStep, user: 'shipped' }), {
    settings,
    stateDir,
  });
  const { cordon, model, stage } = scene;
  const calamity = befall(t, scene, { nats, receivers }, stateDir);
  calamity.catch(() => undefined);
  const ran = await cordon.run(claude.headless(prompt), scene.how);
  const facts = evidence(scene, ran, cordon);
  t.equal(ran.code, 0, 'the agent ends as it would', facts);
  await calamity;
  checkWork(t, scene, facts);
  t.match(
    model.results.get('full disk')?.text,
    'WORKS AGAIN',
    'what could not be recorded was refused',
    facts,
  );
  t.same(witness.harm(stage, model), [], 'no attack succeeds', facts);
  await checkRecords(t, scene);
  const { session } = await cordon.sessionIn(stage.workspace);
  await until('the session is over', async () => (await cordon.sessionIn(stage.workspace)).state === 'ended');
  const records = await cordon.records(session);

  const export_ = join(temporaryDirectory(t), 'export.jsonl');
  t.match(await cordon.cli(['audit', 'export', '--out', export_]), { code: 0 });
  const [first] = await cordon.blocks(session);
  const { key } = await cordon.json<{ key: string }>(['audit', 'prove', first?.id ?? '']);
  await shipped(scene);
  const stored = await nats.stored();
  const texts = stored.filter(isRecord).map(({ text }) => text);

  t.test('every record is there, once and to the byte, at both sinks', async (t) => {
    const received = receivers.flatMap(({ records }) => records);
    const unique = new Map(
      received
        .filter(({ eventName }) => eventName !== 'cordon.checkpoint')
        .map(({ attributes }) => [attributes['event.id'], attributes['log.record.original']]),
    );
    t.strictSame([...unique.values()].sort(), [...texts].sort(), `${texts.length} records`);
    t.strictSame(
      receivers.flatMap(({ malformed }) => malformed),
      [],
    );
    t.equal(new Set(stored.filter(isRecord).map(({ id }) => id)).size, texts.length, 'none is there twice');
    const exported = readFileSync(export_, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"event":'))
      .map((line) => (JSON.parse(line) as { event: string }).event);
    t.ok(exported.length > 100, `${exported.length} in the spool`);
    t.strictSame(texts.slice(0, exported.length), exported, 'as they are in the spool');
  });

  t.test('all of the session is among them: what it did, what it was denied, what is missing', async (t) => {
    const events = new Map(texts.map((text) => [eventOf(text).metadata.uid, eventOf(text)]));
    t.same(
      records.filter(({ id }) => !events.has(id)).map(({ id }) => id),
      [],
      `${records.length} records`,
    );
    const numbers = records.filter(({ id }) => id.startsWith(`${session}-`)).map(({ seq }) => seq);
    t.same(
      numbers,
      numbers.map((_, i) => i + 1),
      'without a hole',
    );
    for (const { id } of await cordon.blocks(session))
      t.equal(events.get(id)?.disposition_id, 2, `${id} is Blocked`);
    const missing = records.filter(({ operation }) => operation === 'journal');
    t.ok(missing.length > 0, 'how many could not be written while the disk was full is said');
    for (const record of missing) t.match(record, { layer: 'journal', reason: /ENOSPC/ });
    // The end of the disk may cut a frame in two, and that is told, too; nothing else is wrong with the journal.
    t.same(
      records.filter(({ operation }) => operation === 'journal-hole' || operation === 'journal-repeat'),
      [],
    );
  });

  t.test('each is an event of OCSF 1.8, by the published schema', async (t) => {
    t.strictSame(
      texts.filter((text) => violations(text).length > 0),
      [],
      `${texts.length} events`,
    );
  });

  t.test('a stranger checks them, as they came out of JetStream, with Python and OpenSSL', async (t) => {
    const directory = temporaryDirectory(t);
    const lines = stored.filter(isRecord).map(lineOf);
    const note = stored.findLast((message) => !isRecord(message))?.text ?? '';
    const check = (lines: readonly string[], checkpoint = note): { status: number | null; said: string } => {
      const files = [join(directory, 'records'), join(directory, 'checkpoint')] as const;
      writeFileSync(files[0], lines.map((line) => `${line}\n`).join(''));
      writeFileSync(files[1], checkpoint);
      const env = { PATH: '/usr/bin:/bin' };
      const ran = spawnSync('/usr/bin/python3', ['-I', script, key, ...files], { encoding: 'utf8', env });
      return { status: ran.status, said: ran.stdout + ran.stderr };
    };
    const whole = check(lines);
    t.equal(whole.status, 0, whole.said);
    t.match(whole.said, /records are signed by .*"blocked": \d/);
    t.comment(whole.said);
    const changed = lines.with(
      7,
      lines[7]!.replace(/("event":"[^"]{40})(.)/, (_, a, b) => `${a}${b === 'A' ? 'B' : 'A'}`),
    );
    t.match(check(changed), { status: 1, said: /record 7 is not what was hashed/ });
    t.match(check(lines.toSpliced(9, 1)), { status: 1, said: /record 9 is missing/ });
    t.match(check(lines.slice(0, 20)), { status: 1, said: /here are 20/ });
    t.match(check(lines, note.replace(/\n\d+\n/, '\n5\n')), { status: 1, said: /signature is false/ });
    t.match(await cordon.cli(['audit', 'verify', '--file', export_]), { code: 0 }, 'and so does cordon');
  });
});
