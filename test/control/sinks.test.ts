import t from 'tap';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { powerOf } from '../../daemon/control/power.ts';
import { withSecrets } from '../../daemon/control/sink-secrets.ts';
import { startDaemon } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { otlp } from '../support/uploads.ts';
import { askAs, nobody } from '../support/users.ts';

t.test('where records go is shown to administrators only', { skip: process.getuid?.() !== 0 }, async (t) => {
  const daemon = await startDaemon(t);
  const [answer] = await askAs(nobody, daemon.adminSocket, [['sinks', {}]]);
  t.match(answer, { kind: 'failure', body: { code: 'not-permitted' } });
  const connection = await daemon.connect();
  t.strictSame(await connection.askFor('sinks', {}, 'sinksAnswer'), { sinks: [], running: false });
});

t.test('on battery is: a battery of the machine discharges, and nothing is plugged in', async (t) => {
  const machine = (supplies: Readonly<Record<string, Readonly<Record<string, string>>>>): string => {
    const directory = temporaryDirectory(t);
    for (const [name, files] of Object.entries(supplies)) {
      mkdirSync(join(directory, name));
      for (const [file, text] of Object.entries(files))
        writeFileSync(join(directory, name, file), `${text}\n`);
    }
    return directory;
  };
  const battery = { type: 'Battery', status: 'Discharging', capacity: '17' };
  const mouse = { ...battery, scope: 'Device', capacity: '3' };
  t.strictSame(powerOf(machine({ BAT0: battery, AC: { type: 'Mains', online: '0' }, mouse })), {
    onBattery: true,
    percent: 17,
  });
  t.match(powerOf(machine({ BAT0: battery, AC: { type: 'Mains', online: '1' } })), { onBattery: false });
  t.strictSame(powerOf(machine({ mouse })), { onBattery: false, percent: 100 });
  t.strictSame(powerOf('/nowhere'), { onBattery: false, percent: 100 });
});

t.test('what a sink names is put where the contents of files would be', async (t) => {
  const kept: Readonly<Record<string, string>> = { token: 'abc.def\n', key: 'PEM\n', two: 'two words' };
  const read = (name: string): Buffer | undefined =>
    kept[name] === undefined ? undefined : Buffer.from(kept[name]);
  const tls = { certificate: Buffer.from('CERT') };
  const ready = withSecrets(
    otlp('https://c.example', { tls, secrets: { token: 'token', key: 'key' } }),
    read,
  );
  t.match(ready, { token: Buffer.from('abc.def'), tls: { ...tls, key: Buffer.from('PEM\n') } });
  t.notOk('secrets' in ready, 'names are not for the uploader');
  const plain = otlp('https://c.example');
  t.equal(withSecrets(plain, read), plain);
  const wrong = (name: string) => () =>
    withSecrets(otlp('https://c.example', { secrets: { token: name } }), read);
  t.throws(wrong('two'), { code: 'config-invalid', message: /one word/ });
  t.throws(wrong('none'), { code: 'not-found', facts: { fix: 'cordon secret put none' } });
});
