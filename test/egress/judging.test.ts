import t from 'tap';
import { createDecider, guardedReason } from '../../daemon/decision/mod.ts';
import { judgeFirstWords } from '../../daemon/egress/first-words.ts';
import { Flows } from '../../daemon/egress/flows.ts';
import { Judge } from '../../daemon/egress/judge.ts';
import type { Flow } from '../../daemon/egress/messages.ts';
import type { Peek } from '../../daemon/egress/peek.ts';
import { Pins } from '../../daemon/egress/pins.ts';
import { alpha, beta, capabilities, type Grant } from './session.ts';

const judgeOf = (grants: readonly Grant[]): Judge =>
  new Judge(capabilities(grants), createDecider, guardedReason);
const tls = (name: string | undefined, encrypted = false): Peek => ({
  kind: 'tls',
  hello: { status: 'ok', name, alpn: [], encrypted },
});

t.test('a pin ends after its time to live and a minute, and a newer answer adds to it', async (t) => {
  let now = 0;
  const pins = new Pins(() => now);
  pins.add('a.test', [alpha], 30);
  now = 20_000;
  pins.add('a.test', [beta], 30);
  t.same(pins.namesOf(alpha), ['a.test']);
  now = 89_999;
  t.ok(pins.has('a.test', alpha));
  now = 90_000;
  t.notOk(pins.has('a.test', alpha));
  t.ok(pins.has('a.test', beta));
  t.notOk(pins.has('b.test', beta));
});

t.test('a pin is held at least a second and at most an hour, besides the minute', async (t) => {
  let now = 0;
  const pins = new Pins(() => now);
  pins.add('short.test', [alpha], 0);
  pins.add('long.test', [alpha], 1e9);
  now = 60_999;
  t.same(pins.namesOf(alpha), ['long.test', 'short.test']);
  now = 3_660_000;
  t.same(pins.namesOf(alpha), []);
});

t.test('names and addresses beyond the bounds push out the oldest', async (t) => {
  const pins = new Pins(() => 0);
  for (let i = 0; i < 5000; i++) pins.add(`${i}.test`, [alpha], 60);
  t.equal(pins.namesOf(alpha).length, 4096);
  t.notOk(pins.has('0.test', alpha));
  for (let i = 0; i < 100; i++) pins.add('many.test', [`93.184.1.${i}`], 60);
  t.notOk(pins.has('many.test', '93.184.1.0'));
  t.ok(pins.has('many.test', '93.184.1.99'));
});

const flow = (port: number, address = alpha): Flow => ({
  family: 4,
  port,
  address,
  destinationPort: 443,
  pid: 1,
  exe: '',
  id: '',
});

t.test('a flow is taken once, by its family and port, and not after half a minute', async (t) => {
  let now = 0;
  const flows = new Flows(() => now);
  flows.add(flow(1000));
  t.equal(await flows.take(6, 1000, 0), undefined);
  t.match(await flows.take(4, 1000, 0), { address: alpha });
  t.equal(await flows.take(4, 1000, 0), undefined);
  flows.add(flow(1001));
  flows.add(flow(1001, beta));
  t.match(await flows.take(4, 1001, 0), { address: beta }, 'the newer connect from a port counts');
  flows.add(flow(1002));
  now = 30_001;
  t.equal(await flows.take(4, 1002, 0), undefined);
});

t.test('a full table of flows gives up the oldest', async (t) => {
  const flows = new Flows();
  for (let i = 0; i <= 4096; i++) flows.add(flow(1 + i));
  t.equal(await flows.take(4, 1, 0), undefined);
  t.ok(await flows.take(4, 2, 0));
  t.ok(await flows.take(4, 4097, 0));
});

t.test('an encrypted ClientHello is refused, even when the name outside is granted', async (t) => {
  const judge = judgeOf([{ host: 'api.test', port: 443 }]);
  const pins = new Pins();
  pins.add('api.test', [alpha], 60);
  const to = { address: alpha, port: 443 };
  t.equal(judgeFirstWords(judge, to, pins, tls('api.test')).judgement.pass, true);
  const refused = judgeFirstWords(judge, to, pins, tls('api.test', true)).judgement;
  t.match(refused, { pass: false, reason: /encrypted ClientHello/ });
});

t.test('a name that shares its address with a granted one is still refused', async (t) => {
  const judge = judgeOf([{ host: 'api.test', port: 443 }]);
  const pins = new Pins();
  pins.add('api.test', [alpha], 60);
  for (const name of ['other.test', 'api.test.', 'xapi.test', '93.184.216.34', 'API.test\0'])
    t.equal(
      judgeFirstWords(judge, { address: alpha, port: 443 }, pins, tls(name)).judgement.pass,
      false,
      name,
    );
});

t.test('dry-run denies like enforce', async (t) => {
  const judge = new Judge(capabilities([], 1, 'dry-run'), createDecider, guardedReason);
  t.match(judge.address({ address: alpha, port: 443 }), { pass: false, disposition: 'denied' });
});
