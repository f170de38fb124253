// Credentials of sinks in the vault: a real nats-server takes what the vault gives out, and nothing else has it. The real
// programs from dist/, a software TPM.
import t from 'tap';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credsAuthenticator } from '@nats-io/transport-node';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { natsOperator } from '../support/nats-operator.ts';
import { noNats, startNats } from '../support/nats-server.ts';
import { filesBelow, sealedMachine } from '../support/sealed-machine.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { until } from '../support/until.ts';
import { notRoot } from '../support/user.ts';
import { askAs, nobody } from '../support/users.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? noNats();

interface Sink {
  readonly name: string;
  readonly state: string;
  readonly acknowledged: number;
  readonly error: { readonly message: string; readonly fix: string } | null;
}

t.test('credentials of sinks in the vault', { skip, timeout: 170_000 }, async (t) => {
  const operator = natsOperator();
  const credentials = Buffer.from(operator.credentials());
  const seed = /SEED-----\n(\S+)/.exec(credentials.toString())?.[1] ?? '';
  const server = await startNats(t, operator.config);
  const { swtpm, at, attestation } = await sealedMachine(t);
  writeFileSync(at('fleet.creds'), credentials);
  const fleet = `fleet: { nats: "nats://127.0.0.1:${server.port}", stream: AUDIT, create: true, credentials: { secret: fleet.creds } }`;
  const settings = `records:\n  sinks:\n    ${fleet}\n${attestation}`;
  const cordon = await TestCordon.start({ settings });
  t.teardown(() => cordon.stop().then(() => undefined));
  const sink = async (): Promise<Sink> =>
    (await cordon.json<{ sinks: Sink[] }>(['audit', 'sinks'])).sinks[0]!;
  const becomes = (what: string, holds: (sink: Sink) => boolean): Promise<boolean> =>
    until(what, async () => holds(await sink()), { within: 60_000 });
  const recorded = (): Promise<readonly SessionRecord[]> => cordon.records('daemon');

  t.test('a sink whose secret is not there waits, and says what to do', async (t) => {
    await becomes('it waits', ({ error }) => error !== null);
    t.match(await sink(), {
      state: 'waiting',
      error: { message: 'there is no secret fleet.creds', fix: 'cordon secret put fleet.creds' },
    });
  });

  t.test('only administrators keep secrets, and what they did is on record, and no secret', async (t) => {
    const [refused] = await askAs(nobody, cordon.socket, [
      ['secrets', { verb: 'put', name: 'fleet.creds', secret: { bytes: 'x' } }],
    ]);
    t.match(refused, { kind: 'failure', body: { code: 'not-permitted' } });
    const put = await cordon.cli(['secret', 'put', 'fleet.creds', '--file', at('fleet.creds')]);
    t.equal(put.code, 0, put.stderr);
    t.notMatch(put.stdout, seed);
    t.strictSame(await cordon.json(['secret', 'list']), { names: ['fleet.creds'] });
    const records = await recorded();
    t.match(
      records.find(({ operation }) => operation === 'secret-put'),
      { kind: 'admin', object: 'fleet.creds', reason: 'put by root', detail: { actor: 'root' } },
    );
    t.notMatch(JSON.stringify(records), seed);
  });

  t.test('the real server takes records with it', async (t) => {
    await becomes(
      'records are acknowledged',
      ({ acknowledged, error }) => acknowledged > 0 && error === null,
    );
    const stored = await server.stored('AUDIT', { authenticator: credsAuthenticator(credentials) });
    t.ok(stored.length > 0);
  });

  t.test('no file, argument or environment has it', async (t) => {
    const files = filesBelow(cordon.root);
    const processes = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => ['cmdline', 'environ'].map((name) => join('/proc', pid, name)))
      .map((path) => {
        try {
          return readFileSync(path, 'latin1');
        } catch {
          return ''; // It ended meanwhile.
        }
      });
    for (const text of [...files, ...processes])
      if (text.includes(seed) || text.includes(Buffer.from(seed).toString('base64')))
        t.fail('it is readable');
    t.pass(`${files.length} files and ${processes.length / 2} processes`);
  });

  t.test(
    'with the vault locked that sink waits and says why, and goes on when it is recovered',
    async (t) => {
      await swtpm.tool('tpm2_pcrextend', `0:sha256=${'44'.repeat(32)}`);
      await cordon.killDaemon();
      await cordon.startDaemon();
      await becomes('it waits', ({ error }) => error !== null);
      t.match(await sink(), { state: 'waiting', error: { message: /locked/, fix: /attest recover/ } });
      const refused = await cordon.cli(['secret', 'list']);
      t.equal(refused.code, 1);
      t.match(refused.stderr, /locked/);
      t.equal((await cordon.cli(['attest', 'recover', '--key', at('escrow.key')])).code, 0);
      await becomes('it goes on', ({ acknowledged, error }) => acknowledged > 0 && error === null);
      t.notOk(
        (await recorded()).some(({ operation }) => operation === 'uploader-ended'),
        'to begin anew is no failure',
      );
    },
  );

  t.test('another one in its place is used at once, and removed it is gone', async (t) => {
    writeFileSync(at('strange.creds'), operator.strange());
    await cordon.cli(['secret', 'put', 'fleet.creds', '--file', at('strange.creds')]);
    await becomes('the server refuses it', ({ error }) => /uthoriz/.test(error?.message ?? ''));
    t.equal((await cordon.cli(['secret', 'remove', 'fleet.creds'])).code, 0);
    await becomes('it waits', ({ error }) => error?.message === 'there is no secret fleet.creds');
    t.strictSame(await cordon.json(['secret', 'list']), { names: [] });
    const again = await cordon.cli(['secret', 'remove', 'fleet.creds']);
    t.equal(again.code, 1);
    t.match(again.stderr, /there is no secret/);
  });

  t.test('what is no secret is refused in words', async (t) => {
    writeFileSync(at('empty'), '');
    writeFileSync(at('huge'), 'x'.repeat(16 * 1024 + 1));
    for (const [args, says] of [
      [['put', 'Fleet Creds', '--file', at('fleet.creds')], /no name of a secret/],
      [['put', 'x', '--file', at('empty')], /from 1 to 16384 bytes/],
      [['put', 'x', '--file', at('huge')], /from 1 to 16384 bytes/],
      [['put', 'x', '--file', '/nowhere'], /cannot read the secret/],
    ] as const)
      t.match((await cordon.cli(['secret', ...args])).stderr, says);
    const filler = 'y'.repeat(16 * 1024);
    writeFileSync(at('filler'), filler);
    const codes: number[] = [];
    for (const name of ['a', 'b', 'c', 'd'])
      codes.push((await cordon.cli(['secret', 'put', name, '--file', at('filler')])).code);
    t.strictSame(codes, [0, 0, 1, 1], 'the vault does not grow beyond what can be read back');
    await cordon.killDaemon();
    await cordon.startDaemon();
    t.strictSame(await cordon.json(['secret', 'list']), { names: ['a', 'b'] });
  });
});
