// What the daemon believes of what a verifier says. The TPMs are real (emulated), the verifier is ours.
import t from 'tap';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attestationDefaults } from '../../daemon/config/attestation-settings.ts';
import { Attestation } from '../../daemon/control/attestation.ts';
import { evidenceText } from '../../daemon/evidence/mod.ts';
import { noExpectations, resultToken, verifyEvidence } from '../../daemon/verifier/mod.ts';
import { attested, daemonFacts, memoryStore, verifierKey } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = noSwtpm ?? false;

t.test('a result of another machine’s quote over our nonce is not believed', { skip }, async (t) => {
  const ours = await attested(t);
  const theirs = await attested(t);
  const key = verifierKey();
  const file = join(temporaryDirectory(t), 'verifier.jwk');
  const { kty, crv, x, alg } = key.jwk;
  writeFileSync(file, JSON.stringify({ kty, crv, x, alg }));
  const attestation = new Attestation({
    settings: { ...attestationDefaults, tpm: ours.swtpm.name, verifierKey: file },
    store: memoryStore(),
    facts: () => daemonFacts,
    bootId: 'boot',
    now: () => Date.now(),
  });
  t.teardown(() => attestation.close());
  const resultOf = async (machine: typeof ours, nonce: string, evidence: string): Promise<string> => {
    const expectations = { ...noExpectations, allowSoftware: true };
    const verdict = verifyEvidence({ evidence, nonce, expectations, enrolled: machine.enrolled });
    t.ok(verdict.accepted);
    return resultToken(verdict, { key, nonce, now: Math.floor(Date.now() / 1000), lifetime: 300 });
  };
  const nonce = 'ab'.repeat(32);
  const own = await attestation.quote(nonce);
  const carried = evidenceText(await theirs.attester.quote(nonce));
  await t.rejects(attestation.result(await resultOf(theirs, nonce, carried)), {
    code: 'not-permitted',
    message: /another machine/,
  });
  t.equal(attestation.state.verdict, 'unknown');
  await t.rejects(
    attestation.result(await resultOf(ours, nonce, own)),
    { code: 'not-permitted' },
    'and the nonce is spent',
  );
  const again = await attestation.quote('cd'.repeat(32));
  await attestation.result(await resultOf(ours, 'cd'.repeat(32), again));
  t.equal(attestation.state.verdict, 'passed');
});
