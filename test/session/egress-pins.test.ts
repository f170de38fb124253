import t from 'tap';
import { EgressPins } from '../../daemon/session/egress-pins.ts';

t.test('what egress pinned is kept for its successor, as long as it holds', async (t) => {
  let now = 1000;
  const pins = new EgressPins(() => now);
  pins.keep('{"t":"pin","host":"a.example","addrs":["192.0.2.1"],"ttl":60}');
  pins.keep('{"t":"pin","host":"b.example","addrs":["192.0.2.2"],"ttl":10}');
  pins.keep('{"t":"pin","host":"c.example","addrs":"192.0.2.3","ttl":10}');
  pins.keep('not a pin');
  t.same(
    pins.left().map(({ host, ttl }) => [host, ttl]),
    [
      ['a.example', 60],
      ['b.example', 10],
    ],
  );
  now += 10_500;
  t.same(pins.left(), [{ host: 'a.example', addrs: ['192.0.2.1'], ttl: 50 }]);
});

t.test('no more than a start line may carry', async (t) => {
  const pins = new EgressPins(() => 0);
  for (let n = 0; n < 4100; n++) pins.keep(`{"t":"pin","host":"h${n}","addrs":["192.0.2.1"],"ttl":60}`);
  t.equal(pins.left().length, 4096);
  t.equal(pins.left()[0]?.host, 'h4', 'the oldest went');
});
