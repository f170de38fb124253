import t from 'tap';
import { createDecider } from '../../daemon/decision/mod.ts';
import { compile, parseManaged, policyShow } from '../../daemon/policy/mod.ts';
import { context, profiles } from './context.ts';

const base =
  'tokens: { attestation: software, lifetime: 10m, audiences: [a], tools: ["x*"] }\n' +
  'network:\n  - { allow: "api.example:80", token: { audience: "urn:api", type: dpop } }\n';
const child = 'extends: [base]\ntokens: { lifetime: 2m, audiences: [b] }\n';

t.test('a profile that says nothing of tokens grants none', async (t) => {
  t.equal(compile('p', profiles({ p: '' }), context).capabilitySet.tokens, undefined);
});

t.test(
  'of a family the lists are joined, the strictest attestation and the shortest life hold',
  async (t) => {
    const { capabilitySet } = compile('p', profiles({ base, p: child }), context);
    t.match(capabilitySet.tokens, { attestation: 'software', lifetime: 120, tools: ['x*'], rows: [] });
    t.strictSame(capabilitySet.tokens?.audiences, ['a', 'b', 'urn:api']);
    t.equal(capabilitySet.rules[capabilitySet.tokens!.rule]?.id, 'p/tokens');
  },
);

t.test('managed settings ask for more attestation and shorter lives, and grant nothing', async (t) => {
  const managed = parseManaged(
    'm.yaml',
    'cordon-managed: 1\ntokens: { attestation: hardware, lifetime: 1m }\n',
  );
  const { tokens } = compile('p', profiles({ base, p: child }), { ...context, managed }).capabilitySet;
  t.match(tokens, { attestation: 'hardware', lifetime: 60 });
  t.equal(compile('p', profiles({ p: '' }), { ...context, managed }).capabilitySet.tokens, undefined);
  t.throws(() => parseManaged('m.yaml', 'cordon-managed: 1\ntokens: { audiences: [a] }\n'), {
    message: /unknown key/,
    facts: { file: 'm.yaml', line: 2, key: 'tokens.audiences' },
  });
  const wants = 'network:\n  - { allow: "api.example:80", token: { audience: "urn:api", type: dpop } }\n';
  t.match(compile('p', profiles({ p: wants }), { ...context, managed }).capabilitySet.tokens, {
    attestation: 'hardware',
    lifetime: 60,
    audiences: ['urn:api'],
  });
});

t.test(
  'a grant that wants a token says so in its verdict, and what it says changes the digest',
  async (t) => {
    const set = compile('p', profiles({ base, p: child }), context).capabilitySet;
    const verdict = createDecider(set).network({ host: 'api.example', port: 80 });
    t.match(verdict, {
      effect: 'allow',
      obligations: [{ kind: 'token', audience: 'urn:api', type: 'dpop' }],
    });
    const other = compile('p', profiles({ base: base.replace('dpop', 'bearer'), p: child }), context);
    t.not(other.capabilitySet.policyDigest, set.policyDigest);
  },
);

t.test('policy show has it in words', async (t) => {
  const { text, json } = policyShow('p', profiles({ base, p: child }), context);
  t.match(text, /dpop token for urn:api/);
  t.match(text, /tokens: for a, b, urn:api, 120s, attestation software/);
  t.match(json.tokens, { audiences: ['a', 'b', 'urn:api'] });
});

t.test('how requests leave is said by the rule, and is part of the verdict and of the digest', async (t) => {
  const rule = (upstream: string) =>
    `network:\n  - { allow: "api.example:80", token: { audience: "urn:api", type: dpop }, upstream: ${upstream} }\n`;
  const of = (upstream: string) => compile('p', profiles({ p: rule(upstream) }), context).capabilitySet;
  const obligations = (upstream: string) =>
    createDecider(of(upstream)).network({ host: 'api.example', port: 80 }).obligations;
  t.match(obligations('tls'), [{ kind: 'token' }, { kind: 'upstream', protocol: 'tls', port: 443 }]);
  t.strictSame(obligations('plain')[1], { kind: 'upstream', protocol: 'plain' });
  const own = '{ protocol: tls, port: 8443, ca: /etc/ca.pem }';
  t.strictSame(obligations(own)[1], { kind: 'upstream', protocol: 'tls', port: 8443, ca: '/etc/ca.pem' });
  t.equal(new Set(['tls', 'plain', own].map((each) => of(each).policyDigest)).size, 3);
  const { text, json } = policyShow('p', profiles({ p: rule(own) }), context);
  t.match(text, /dpop token for urn:api; TLS to port 8443, authorities of \/etc\/ca\.pem/);
  t.match(json.rules[0], { upstream: { protocol: 'tls', port: 8443, ca: '/etc/ca.pem' } });
  t.match(policyShow('p', profiles({ p: rule('plain') }), context).text, /in clear text/);
});

t.test('of two rules for one destination the one that asks more of requests holds', async (t) => {
  const [free, bound] = ['{ allow: "api.example:80" }', '{ allow: "api.example:80", upstream: tls }'];
  for (const rules of [
    [free, bound],
    [bound, free],
  ]) {
    const text = `network:\n${rules.map((rule) => `  - ${rule}\n`).join('')}`;
    const { capabilitySet } = compile('p', profiles({ p: text }), context);
    const verdict = createDecider(capabilitySet).network({ host: 'api.example', port: 80 });
    t.match(verdict.obligations, [{ kind: 'upstream' }]);
  }
});

t.test('permission to send a token in clear text does not win over an equal rule without it', async (t) => {
  const token = 'token: { audience: "urn:api", type: dpop }';
  const [strict, loose] = [
    `{ allow: "api.example:80", ${token} }`,
    `{ allow: "api.example:80", ${token}, upstream: plain }`,
  ];
  const obligations = (first: string, second: string) =>
    createDecider(
      compile('p', profiles({ p: `network:\n  - ${first}\n  - ${second}\n` }), context).capabilitySet,
    ).network({ host: 'api.example', port: 80 }).obligations;
  for (const rules of [[strict, loose] as const, [loose, strict] as const])
    t.strictSame(
      obligations(...rules).map(({ kind }) => kind),
      ['token'],
    );
  t.equal(obligations('{ allow: "api.example:80" }', loose).length, 2, 'over one without a token it does');
});
