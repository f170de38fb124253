import fc from 'fast-check';
import t from 'tap';
import { canonicalAddress, createDecider, guardedReason } from '../../daemon/decision/mod.ts';
import type { Effect, NetworkQuery } from '../../daemon/model/mod.ts';
import { setOf } from './arbitrary.ts';

interface Rule {
  readonly effect: Effect;
  readonly host: string;
  readonly port: number;
  readonly never?: boolean;
}
const rule = (effect: Effect | 'never', host: string, port = 0): Rule => ({
  effect: effect === 'never' ? 'deny' : effect,
  host,
  port,
  never: effect === 'never',
});
const decide = (rules: readonly Rule[], query: NetworkQuery) =>
  createDecider(setOf([], rules)).network(query);
const effect = (rules: readonly Rule[], query: NetworkQuery) => decide(rules, query).effect;

t.test('host patterns: exact, below a domain, any', async (t) => {
  const rules = [rule('allow', 'api.x.com', 443), rule('allow', '*.npm.org', 443)];
  t.equal(effect(rules, { host: 'api.x.com', port: 443 }), 'allow');
  t.equal(effect(rules, { host: 'api.x.com', port: 80 }), 'deny');
  t.equal(effect(rules, { host: 'x.com', port: 443 }), 'deny');
  t.equal(effect(rules, { host: 'npm.org', port: 443 }), 'deny', '*.npm.org is not npm.org');
  t.equal(effect(rules, { host: 'a.b.npm.org', port: 443 }), 'allow');
  t.equal(effect(rules, { host: 'evilnpm.org', port: 443 }), 'deny');
  t.equal(effect([rule('ask', '*', 443)], { host: 'anything.net', port: 443 }), 'ask');
});

t.test('the longer host pattern wins, then the port, then the stricter; never beats all', async (t) => {
  t.equal(effect([rule('allow', '*.x.com'), rule('deny', 'a.x.com')], { host: 'a.x.com', port: 1 }), 'deny');
  t.equal(
    effect([rule('deny', '*.x.com'), rule('allow', '*.a.x.com')], { host: 'b.a.x.com', port: 1 }),
    'allow',
  );
  t.equal(
    effect([rule('deny', 'x.com'), rule('allow', 'x.com', 443)], { host: 'x.com', port: 443 }),
    'allow',
  );
  t.equal(
    effect([rule('ask', 'x.com', 443), rule('allow', 'x.com', 443)], { host: 'x.com', port: 443 }),
    'ask',
  );
  t.equal(effect([rule('never', '*'), rule('allow', 'x.com', 443)], { host: 'x.com', port: 443 }), 'deny');
});

t.test('a name may be looked up when any port is granted for it', async (t) => {
  t.equal(effect([rule('allow', 'x.com', 443)], { host: 'x.com' }), 'allow');
  t.equal(effect([rule('allow', 'x.com', 443)], { host: 'y.com' }), 'deny');
  t.equal(effect([rule('deny', 'x.com'), rule('allow', '*', 443)], { host: 'x.com' }), 'deny');
  t.equal(effect([rule('deny', 'x.com', 22), rule('allow', '*', 443)], { host: 'x.com' }), 'allow');
  t.equal(effect([rule('never', 'x.com'), rule('allow', '*', 443)], { host: 'x.com' }), 'deny');
  t.equal(effect([rule('ask', '*', 443)], { host: 'x.com' }), 'ask');
});

t.test('a name that leads to a guarded address needs a grant of the address as well', async (t) => {
  const named = [rule('allow', 'in.x.com', 443)];
  t.equal(effect(named, { host: 'in.x.com', address: '93.184.216.34', port: 443 }), 'allow');
  const refused = decide(named, { host: 'in.x.com', address: '10.1.2.3', port: 443 });
  t.match(refused, { effect: 'deny', rule: { id: 'builtin/address-guard' }, reason: /private/ });
  t.equal(
    effect([...named, rule('allow', '10.0.0.0/8', 443)], {
      host: 'in.x.com',
      address: '10.1.2.3',
      port: 443,
    }),
    'allow',
  );
  t.equal(
    effect([...named, rule('allow', '10.1.2.3', 443)], {
      host: 'in.x.com',
      address: '::ffff:10.1.2.3',
      port: 443,
    }),
    'allow',
  );
  t.equal(
    effect([rule('allow', '10.0.0.0/8', 443)], { host: 'in.x.com', address: '10.1.2.3', port: 443 }),
    'deny',
  );
});

t.test('`*` and 0.0.0.0/0 never cover a guarded address', async (t) => {
  for (const address of [
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '::1',
    'fe80::1',
    '100.64.0.1',
    '0.0.0.0',
  ]) {
    t.equal(
      effect([rule('allow', '*'), rule('allow', '0.0.0.0/0'), rule('allow', '::/0')], { address, port: 80 }),
      'deny',
      address,
    );
    t.equal(effect([rule('ask', '*')], { address, port: 80 }), 'deny', `${address} is not asked about`);
    t.equal(effect([rule('allow', address)], { address, port: 80 }), 'allow', address);
  }
  t.equal(effect([rule('allow', '*')], { address: '93.184.216.34', port: 80 }), 'allow');
});

t.test('metadata needs exactly its address, and never on * holds for a granted address', async (t) => {
  t.equal(effect([rule('allow', '169.254.0.0/16')], { address: '169.254.169.254', port: 80 }), 'deny');
  t.equal(effect([rule('allow', '169.254.0.0/16')], { address: '169.254.1.1', port: 80 }), 'allow');
  t.equal(effect([rule('allow', '169.254.169.254')], { address: '169.254.169.254', port: 80 }), 'allow');
  t.equal(
    effect([rule('allow', '10.0.0.1'), rule('never', '*', 22)], { address: '10.0.0.1', port: 22 }),
    'deny',
  );
  t.equal(
    effect([rule('allow', 'x.com'), rule('deny', '93.0.0.0/8')], {
      host: 'x.com',
      address: '93.1.1.1',
      port: 22,
    }),
    'deny',
  );
});

t.test('every spelling of a guarded address is guarded, and public addresses are not', async (t) => {
  const guarded = {
    '::ffff:169.254.169.254': /metadata/,
    '::ffff:a9fe:a9fe': /metadata/,
    '64:ff9b::169.254.169.254': /metadata.*NAT64/,
    '2002:a9fe:a9fe::1': /metadata.*6to4/,
    '2001:0:a9fe:a9fe::1': /metadata.*Teredo/,
    '2001:0:5db8:d822:0:0:5601:5601': /metadata.*Teredo/,
    'fe80::5efe:10.0.0.1': /private.*ISATAP|link-local/,
    'fd00:ec2::254': /metadata/,
    '100.100.100.200': /metadata/,
    '168.63.129.16': /metadata/,
    '192.0.0.192': /metadata/,
    '::': /unspecified/,
    '::127.0.0.1': /loopback/,
    'ff02::fb': /multicast/,
    '224.0.0.251': /multicast/,
    '198.18.0.1': /benchmarking/,
    '255.255.255.255': /broadcast/,
    '0x7f000001': /not an address/,
    '127.1': /not an address/,
    '010.0.0.1': /not an address/,
  };
  for (const [address, why] of Object.entries(guarded)) t.match(guardedReason(address), why, address);
  for (const address of [
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700::1111',
    '64:ff9b::1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
  ]) {
    t.equal(guardedReason(address), undefined, address);
  }
});

t.test('addresses are written one way', async (t) => {
  t.equal(canonicalAddress('::FFFF:1.2.3.4'), '1.2.3.4');
  t.equal(canonicalAddress('2001:DB8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  t.equal(canonicalAddress('0:0:0:0:0:0:0:1'), '::1');
  t.equal(canonicalAddress('1:0:3:4:5:6:7:8'), '1:0:3:4:5:6:7:8');
  for (const bad of [
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1::2::3',
    ':::',
    'g::',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1%eth0',
    '',
  ]) {
    t.equal(canonicalAddress(bad), undefined, bad);
  }
});

const host = fc.constantFrom(
  'x.com',
  'a.x.com',
  'b.a.x.com',
  'y.org',
  '*',
  '*.x.com',
  '*.a.x.com',
  '*.com',
  '93.0.0.0/8',
  '93.1.1.1',
  '10.0.0.0/8',
);
const port = fc.constantFrom(0, 22, 443);
const rules = fc.array(
  fc
    .record({ effect: fc.constantFrom<Effect>('allow', 'ask', 'deny'), host, port, never: fc.boolean() })
    .map((r): Rule => (r.never ? rule('never', r.host, r.port) : r)),
  { maxLength: 8 },
);
const query = fc.record(
  {
    host: fc.constantFrom('x.com', 'a.x.com', 'b.a.x.com', 'y.org', 'z.net'),
    address: fc.constantFrom('93.1.1.1', '93.2.2.2', '10.1.1.1', '8.8.8.8'),
    port: fc.constantFrom(22, 443, 8080),
  },
  { requiredKeys: [] },
);
const severity = { allow: 0, ask: 1, deny: 2 };

t.test('order does not matter, and a deny or never added never widens', async (t) => {
  const property = fc.property(rules, host, port, query, fc.boolean(), (list, h, p, q, never) => {
    const before = effect(list, q);
    const turned = effect([...list].reverse(), q);
    const added = effect([...list, rule(never ? 'never' : 'deny', h, p)], q);
    return before === turned && severity[added] >= severity[before];
  });
  fc.assert(property, { numRuns: 5000 });
  t.pass();
});
