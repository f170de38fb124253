import { userInfo } from 'node:os';
import t from 'tap';
import { cliEnvironment } from '../../daemon/config/cli-env.ts';
import { homeOf } from '../../daemon/config/home.ts';

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

t.test('a user is found by name, and one that is not there is named', async (t) => {
  t.strictSame(homeOf(undefined), { user: userInfo().username, home: userInfo().homedir });
  t.strictSame(homeOf('root'), { user: 'root', home: '/root' });
  t.throws(() => homeOf('nobody-of-that-name'), { code: 'not-found', facts: { fix: /--user NAME/ } });
});
