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
