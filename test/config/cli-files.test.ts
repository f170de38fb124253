import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cliEnvironment } from '../../daemon/config/cli-env.ts';
import { builtinProfileDir, readProfileFile, readProfiles } from '../../daemon/config/profile-files.ts';

t.test('the environment is read once, and empty values count as absent', async (t) => {
  t.strictSame(cliEnvironment({}), { socket: '/run/cordon/admin.sock', sudoUser: undefined, plain: false });
  const given = { CORDON_SOCKET: '/s', SUDO_USER: 'alice', NO_COLOR: '1' };
  t.strictSame(cliEnvironment(given), { socket: '/s', sudoUser: 'alice', plain: true });
  t.strictSame(cliEnvironment({ CORDON_SOCKET: '', SUDO_USER: '', NO_COLOR: '', TERM: 'dumb' }), {
    socket: '/run/cordon/admin.sock',
    sudoUser: undefined,
    plain: true,
  });
});

t.test('the first directory that has a profile wins, and only profiles are taken', async (t) => {
  const root = t.testdir({
    first: { 'a.yaml': 'first', '.hidden.yaml': '', 'a.test.yaml': '', 'notes.txt': '' },
    second: { 'a.yaml': 'second', 'b.yaml': 'b' },
  });
  const found = readProfiles([join(root, 'first'), join(root, 'none'), join(root, 'second')]);
  t.match(found.get('a'), { file: join(root, 'first', 'a.yaml'), text: 'first', builtin: false });
  t.equal(found.get('b')?.text, 'b');
  t.notOk(found.has('.hidden'));
  t.notOk(found.has('a.test'));
});

t.test('what is not a readable file of at most 1 MiB is refused by name', async (t) => {
  const root = t.testdir();
  const large = join(root, 'large.yaml');
  writeFileSync(large, Buffer.alloc((1 << 20) + 1, 0x20));
  mkdirSync(join(root, 'directory.yaml'));
  t.throws(() => readProfileFile(large), { code: 'policy-invalid', facts: { file: large } });
  t.throws(() => readProfileFile(join(root, 'directory.yaml')), { message: /not a regular file/ });
  t.throws(() => readProfileFile(join(root, 'none.yaml')), { code: 'not-found', message: /ENOENT/ });
});

t.test('the built-in profiles are those of this tree', async (t) => {
  t.match(builtinProfileDir(), /\/profiles$/);
});
