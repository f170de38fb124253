import t from 'tap';
import { umaskOf } from '../../daemon/session/umask.ts';

t.test('a umask that is not given, or no umask, leaves nothing open to everybody', async (t) => {
  for (const text of ['', '8', '-1', '00077', 'x', '0x3f']) t.equal(umaskOf(text), 0o022, text);
  t.equal(umaskOf('0077'), 0o077);
  t.equal(umaskOf('0'), 0);
  t.equal(umaskOf('7777'), 0o777);
});
