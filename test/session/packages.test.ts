// A package manager under coding-agent: npm fetches from a granted registry (the test's own, on loopback), unpacks, runs the
// package's install script inside the sandbox, and runs what was installed; what the script may not do does not happen.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot, testUser } from '../support/user.ts';

const noNpm = existsSync('/usr/bin/npm') || existsSync('/usr/local/bin/npm') ? undefined : 'there is no npm';
const manifest = {
  name: 'greeter',
  version: '1.2.3',
  bin: { greet: 'greet.js' },
  scripts: { postinstall: 'echo installed > by-script; echo stolen > "$HOME/by-script" || true' },
};

/** The package as a registry has it. */
function tarball(directory: string): Buffer {
  const place = join(directory, 'package');
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(place, 'greet.js'), '#!/usr/bin/env node\nconsole.log("hello from the package");\n', {
    mode: 0o755,
  });
  const packed = spawnSync('tar', ['-czf', 'greeter.tgz', 'package'], { cwd: directory });
  if (packed.status !== 0) throw new Error(packed.stderr.toString());
  return readFileSync(join(directory, 'greeter.tgz'));
}

t.test('npm', { skip: notRoot() ?? notBuilt() ?? noNpm ?? false }, async (t) => {
  const bytes = tarball(temporaryDirectory(t));
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    if (request.url?.endsWith('.tgz') === true) return void response.end(bytes);
    const version = { ...manifest, dist: { tarball: `http://127.0.0.1:${port}/greeter.tgz`, integrity } };
    const answer = { name: 'greeter', 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': version } };
    return void response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const user = testUser('npm');
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  rmSync(join(user.home, 'by-script'), { force: true });
  writeFileSync(
    join(workspace, 'package.json'),
    JSON.stringify({ name: 'work', version: '1.0.0', scripts: { test: 'greet' } }),
  );
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const profile = `cordon: 1\nname: packages\nversion: 1\nextends: [coding-agent]\nnetwork:\n  - { allow: "127.0.0.1:${port}" }\n`;
  const cordon = await TestCordon.start({ profiles: { packages: profile } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const npm = (command: string) =>
    cordon.run(['bash', '-c', `npm --no-audit --no-fund --no-update-notifier ${command}`], {
      user,
      workspace,
      profile: 'packages',
      within: 150_000,
    });
  const installed = await npm(`--registry http://127.0.0.1:${port}/ --foreground-scripts install greeter`);
  t.equal(installed.code, 0, installed.stdout + installed.stderr);
  t.match(JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8')), {
    dependencies: { greeter: /1\.2\.3/ },
  });
  t.ok(existsSync(join(workspace, 'node_modules/greeter/by-script')), 'its install script ran');
  t.notOk(existsSync(join(user.home, 'by-script')), 'in the sandbox');
  const { session } = await cordon.sessionIn(workspace);
  t.match(
    (await cordon.blocks(session)).filter(({ object }) => object === join(user.home, 'by-script')),
    [{ disposition: 'denied', tree: Array }],
    'what it may not is on record',
  );
  const tested = await npm('test');
  t.equal(tested.code, 0, tested.stdout + tested.stderr);
  t.match(tested.stdout, /hello from the package/);
});
