// A datagram to an address is on record as one, also where the address does not say its family: to udp(7) it is IPv4 then.
import t from 'tap';
import { decide } from '../../daemon/monitor/mod.ts';
import type { Journal, NewRecord, SessionRecord } from '../../daemon/model/mod.ts';
import type { Mediation } from '../../daemon/supervisor/mediation.ts';
import { mediateSend } from '../../daemon/supervisor/network.ts';

const ENETUNREACH = 101;

function sent(bytes: readonly number[]) {
  const records: NewRecord[] = [];
  const journal: Journal = {
    append: (record) => {
      records.push(record);
      return { ...record, id: 's-1', session: 's', seq: 1, time: 0 } as SessionRecord;
    },
    complete: () => undefined,
  };
  const reader = { brief: (pid: number) => ({ pid }), tree: () => [] };
  const m = { journal, decide, reader, mode: 'enforce' } as unknown as Mediation;
  const answer = mediateSend(m, { pid: 1, fd: 3, bytes: Buffer.from(bytes) });
  return { answer, objects: records.map(({ object }) => object) };
}
/** sockaddr_in */
const address = (family: number, ...ip: readonly number[]): number[] => [
  family,
  0,
  0,
  53,
  ...ip,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
];

t.test('datagrams', (t) => {
  const refused = { kind: 'fails', errno: ENETUNREACH };
  for (const family of [0, 2])
    t.same(
      sent(address(family, 192, 0, 2, 1)),
      { answer: refused, objects: ['udp 192.0.2.1:53'] },
      `family ${family}`,
    );
  t.same(sent(address(0, 127, 0, 0, 1)), { answer: { kind: 'continues' }, objects: [] }, 'to loopback');
  t.same(sent([0, 0]), { answer: { kind: 'continues' }, objects: [] }, 'without an address');
  t.end();
});
