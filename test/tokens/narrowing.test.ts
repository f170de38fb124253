import fc from 'fast-check';
import t from 'tap';
import { createDecider } from '../../daemon/decision/mod.ts';
import type { CapabilitySet, RuleInfo } from '../../daemon/model/mod.ts';
import { toBytes } from '../../daemon/model/mod.ts';
import type { BytePath } from '../../daemon/model/mod.ts';
import {
  beyondSession,
  destinationOf,
  detailJson,
  detailsOf,
  narrows,
  permits,
} from '../../daemon/tokens/mod.ts';
import { action, detail, details } from './arbitrary.ts';

t.test('whatever a child permits, its parent permits', async (t) => {
  let met = 0;
  fc.assert(
    fc.property(
      details,
      details,
      fc.array(action, { minLength: 8, maxLength: 8 }),
      (child, parent, actions) => {
        if (!narrows(child, parent)) return;
        for (const each of actions)
          if (permits(child, each)) {
            met += 1;
            if (!permits(parent, each))
              throw new Error(`the child permits ${JSON.stringify(each)}, the parent does not`);
          }
      },
    ),
    { numRuns: 60_000 },
  );
  t.ok(met > 100, `the property was met ${met} times, not passed over`);
});

t.test('narrowing is reflexive and transitive, and a part narrows the whole', async () => {
  fc.assert(fc.property(details, (all) => narrows(all, all) && narrows(all.slice(0, 1), all)));
  fc.assert(
    fc.property(
      detail,
      detail,
      detail,
      (a, b, c) => !narrows([a], [b]) || !narrows([b], [c]) || narrows([a], [c]),
    ),
    { numRuns: 20_000 },
  );
});

t.test('details that are written and read again mean the same', async (t) => {
  fc.assert(
    fc.property(details, (given) => {
      const columns = given.flatMap((each) => (each.type === 'db.row' ? Object.keys(each.key) : []));
      if (columns.length > 0 && given.length > 16) return;
      const read = detailsOf(JSON.parse(JSON.stringify(given.map(detailJson))));
      t.ok(narrows(read, given) && narrows(given, read));
    }),
    { numRuns: 500 },
  );
});

const rule = (id: string): RuleInfo => ({ id, source: { file: 'p.yaml', line: 1, key: id }, never: false });
const session = (
  hosts: readonly (readonly [string, number])[],
  programs: readonly string[],
): CapabilitySet => ({
  generation: 1,
  mode: 'enforce',
  policyDigest: 'd',
  profile: { name: 'p', version: 1 },
  rules: [rule('builtin/default-deny'), rule('p/network[0]'), rule('p/exec[0]'), rule('p/tokens')],
  files: [{ rule: 2, effect: 'allow', access: ['exec'], base: '/', glob: '' }],
  exec: programs.map((base) => ({ rule: 2, effect: 'allow', access: ['exec'], base, glob: '' })),
  network: hosts.map(([host, port]) => ({ rule: 1, effect: 'allow', host, port })),
  sockets: [],
  tokens: {
    rule: 3,
    attestation: 'none',
    lifetime: 300,
    audiences: ['https://a.example'],
    tools: ['sea*'],
    rows: [{ database: 'crm', table: 't', actions: ['select'] }],
  },
});

t.test(
  'a token permits nothing on the network or of programs that the session itself may not do',
  async (t) => {
    const hosts = fc.subarray<readonly [string, number]>([
      ['a.example', 80],
      ['b.example', 443],
      ['127.0.0.1', 80],
    ]);
    const programs = fc.subarray(['/bin/ls', '/bin/sh'], { minLength: 1 });
    let met = 0;
    fc.assert(
      fc.property(
        details,
        hosts,
        programs,
        fc.array(action, { minLength: 8, maxLength: 8 }),
        (asked, hosts, programs, actions) => {
          const set = session(hosts, programs);
          const decider = createDecider(set);
          if (beyondSession('https://a.example', asked, { decider, capabilitySet: set }) !== undefined)
            return;
          for (const each of actions) {
            if (!permits(asked, each)) continue;
            met += 1;
            if (each.type === 'http')
              t.equal(decider.network({ host: each.host, port: each.port }).effect, 'allow');
            if (each.type === 'file.upload')
              t.equal(decider.network(destinationOf(each.destination)).effect, 'allow');
            if (each.type === 'exec') t.equal(decider.exec(toBytes(each.path) as BytePath).effect, 'allow');
            if (each.type === 'tool.call') t.equal(each.tool, 'search');
            if (each.type === 'db.row')
              t.strictSame([each.database, each.table, each.action], ['crm', 't', 'select']);
          }
        },
      ),
      { numRuns: 20_000 },
    );
    t.ok(met > 50, `met ${met} times`);
  },
);

t.test('without a token policy, or for another audience, nothing is granted', async (t) => {
  const set = session([['a.example', 80]], ['/bin/ls']);
  const asked = detailsOf([{ type: 'exec', path: '/bin/ls' }]);
  const decider = createDecider(set);
  t.equal(beyondSession('https://a.example', asked, { decider, capabilitySet: set }), undefined);
  const { tokens, ...without } = set;
  t.equal(tokens?.attestation, 'none');
  t.match(beyondSession('https://a.example', asked, { decider, capabilitySet: without }), {
    reason: /grants no tokens/,
  });
  t.match(beyondSession('https://c.example', asked, { decider, capabilitySet: set }), {
    fix: /tokens.audiences/,
  });
});
