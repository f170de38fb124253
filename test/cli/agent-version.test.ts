// The version of an agent, from where its command lies: told for packages and versioned directories, never guessed.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import t from 'tap';
import { agentVersion } from '../../daemon/cli/run/agent-version.ts';
import { temporaryDirectory } from '../support/temporary.ts';

function put(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

t.test('a package of npm’s says it, through the link that PATH has', async (t) => {
  const home = temporaryDirectory(t);
  const cli = put(join(home, 'lib/node_modules/@maker/agent/dist/cli.js'), '');
  put(
    join(home, 'lib/node_modules/@maker/agent/package.json'),
    '{"name":"@maker/agent","version":"2.0.1-beta+7"}',
  );
  put(join(home, 'lib/node_modules/@maker/agent/dist/package.json'), '{"version":"9.9.9"}');
  const bin = join(home, 'bin');
  mkdirSync(bin);
  symlinkSync(cli, join(bin, 'agent'));
  t.equal(agentVersion('agent', `/nowhere:${bin}`), '2.0.1-beta+7');
  t.equal(agentVersion(join(bin, 'agent'), ''), '2.0.1-beta+7');
});

t.test('so does a directory that is called after a version', async (t) => {
  const home = temporaryDirectory(t);
  t.equal(agentVersion(put(join(home, 'agent/versions/1.0.58'), ''), ''), '1.0.58');
  t.equal(agentVersion(put(join(home, 'agent/versions/1.0.59/bin/agent'), ''), ''), '1.0.59');
  t.equal(agentVersion(put(join(home, 'agent/versions/latest/agent'), ''), ''), '');
});

t.test('of anything else it is not known', async (t) => {
  const home = temporaryDirectory(t);
  put(join(home, 'package.json'), '{"version":"1.0.0"}');
  t.equal(
    agentVersion(put(join(home, 'script'), ''), ''),
    '',
    'a project that the script lies in says nothing of it',
  );
  t.equal(agentVersion('no-such-command', '/bin'), '');
  t.equal(agentVersion('', ''), '');
  const place = join(home, 'node_modules/agent');
  const command = put(join(place, 'cli'), '');
  t.equal(agentVersion(command, ''), '', 'no manifest');
  for (const text of [
    '{',
    '[]',
    'null',
    '{"version":1}',
    '{"version":"1\\n2"}',
    `{"version":"1${'0'.repeat(80)}"}`,
  ]) {
    put(join(place, 'package.json'), text);
    t.equal(agentVersion(command, ''), '', text.slice(0, 30));
  }
  put(join(place, 'package.json'), JSON.stringify({ version: '1.0.0', more: 'x'.repeat(300_000) }));
  t.equal(agentVersion(command, ''), '', 'too large');
});

t.test('a named pipe in place of a manifest holds nobody up', async (t) => {
  const place = join(temporaryDirectory(t), 'node_modules/agent');
  const command = put(join(place, 'cli'), '');
  t.equal(spawnSync('mkfifo', [join(place, 'package.json')]).status, 0);
  t.equal(agentVersion(command, ''), '');
});
