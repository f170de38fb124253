// The units that are installed say what systemd understands: a misspelt key would be passed over when they are loaded.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary.ts';

const analyze = '/usr/bin/systemd-analyze';
const skip = existsSync(analyze) ? false : 'systemd is not installed';
const directory = fileURLToPath(new URL('../../systemd/', import.meta.url));

/** Our programs are not where a package puts them: another one stands in for each, everything else is as it is. */
const withPrograms = (unit: string): string =>
  unit.replaceAll(/\/usr\/lib\/cordon\/dist\/cordond?/g, '/bin/true');

function complaints(
  t: Parameters<typeof temporaryDirectory>[0],
  change = (unit: string): string => unit,
): string {
  const place = temporaryDirectory(t);
  const names = readdirSync(directory);
  for (const name of names)
    writeFileSync(join(place, name), change(withPrograms(readFileSync(join(directory, name), 'utf8'))));
  const files = names.map((name) => join(place, name));
  const { status, stderr } = spawnSync(analyze, ['verify', '--man=no', '--recursive-errors=no', ...files], {
    encoding: 'utf8',
  });
  // Units of the machine itself are its own business.
  const ours = stderr.split('\n').filter((line) => line.includes(place) || /^cordon/.test(line));
  return status === 0 ? ours.join('\n') : [...ours, `status ${String(status)}`].join('\n');
}

t.test('systemd finds nothing wrong with any unit', { skip }, (t) => {
  t.equal(complaints(t), '');
  t.end();
});

t.test('and would have, had a key been misspelt', { skip }, (t) => {
  t.match(
    complaints(t, (unit) => unit.replace('ExecStart=', 'NoNewPrivilege=yes\nExecStart=')),
    /Unknown key.*NoNewPrivilege/,
  );
  t.end();
});
