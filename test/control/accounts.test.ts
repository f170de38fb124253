import t from 'tap';
import { parseAccounts } from '../../daemon/control/accounts.ts';
import { Counts, Rate, Rates } from '../../daemon/control/rate.ts';
import { sessionCgroups } from '../../daemon/killswitch/mod.ts';

const passwd =
  'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:50::/home/bob:/bin/sh\nbroken:x:y\n';
const group = 'root:x:0:\ncordon-admin:x:50:ann,carl\nempty:x:51:\n';

t.test('members of a group are those it lists and those whose primary group it is', async (t) => {
  const accounts = parseAccounts(passwd, group);
  t.ok(accounts.inGroup(1000, 'cordon-admin'), 'listed');
  t.ok(accounts.inGroup(1001, 'cordon-admin'), 'primary');
  t.notOk(accounts.inGroup(0, 'cordon-admin'), 'root is not a member by being root');
  t.notOk(accounts.inGroup(1000, 'empty'));
  t.notOk(accounts.inGroup(1000, 'no-such-group'));
  t.notOk(accounts.inGroup(4242, 'cordon-admin'), 'unknown uid');
  t.strictSame(accounts.byName('ann'), { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann' });
  t.equal(accounts.byName('broken'), undefined);
});

t.test('a rate gives its burst at once, then so many a second', async (t) => {
  const rate = new Rate(10, 3, 0);
  t.strictSame(
    [0, 0, 0, 0].map((now) => rate.take(now)),
    [true, true, true, false],
  );
  t.ok(rate.take(100));
  t.notOk(rate.take(100));
  t.ok(rate.isFull(10_000));
});

t.test('one key’s flood does not take from another', async (t) => {
  const rates = new Rates<number>(1, 1);
  t.ok(rates.take(1, 0));
  t.notOk(rates.take(1, 0));
  t.ok(rates.take(2, 0));
});

t.test('counts go up and down', async (t) => {
  const counts = new Counts<number>();
  const back = counts.add(5);
  counts.add(5);
  back();
  t.equal(counts.of(5), 1);
  t.equal(counts.total, 1);
  t.equal(counts.of(6), 0);
});

const mountinfo = [
  '30 23 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw',
  '31 23 0:27 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer',
  '32 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
].join('\n');

t.test('the kill switch finds the session’s own control groups, and no others', async (t) => {
  t.strictSame(sessionCgroups('6:freezer:/cordon/s12\n8:pids:/cordon/s12\n0::/\n', mountinfo), {
    freezer: '/sys/fs/cgroup/freezer/cordon/s12',
    pids: '/sys/fs/cgroup/pids/cordon/s12',
  });
  t.strictSame(sessionCgroups('0::/cordon/s12\n', mountinfo), {
    unified: '/sys/fs/cgroup/unified/cordon/s12',
  });
  for (const other of [
    '0::/',
    '0::/system.slice/cordond.service',
    '0::/cordon',
    '6:freezer:/',
    '0::/cordon/s1/deeper',
    '',
  ])
    t.strictSame(sessionCgroups(other, mountinfo), {}, other);
});
