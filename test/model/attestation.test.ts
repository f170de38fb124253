import t from 'tap';
import { attestationLacks, unattested } from '../../daemon/model/mod.ts';
import type { AttestationState } from '../../daemon/model/mod.ts';

const passed: AttestationState = {
  tpm: 'hardware',
  verdict: 'passed',
  reason: '',
  at: 1000,
  freshUntil: 2000,
};

t.test('a requirement is met by a fresh result of a good enough TPM, and by nothing else', async (t) => {
  t.equal(attestationLacks(passed, 'hardware', 1999), undefined);
  t.match(attestationLacks(passed, 'hardware', 2000), /too old/);
  t.equal(attestationLacks(passed, 'hardware', 1499, 500), undefined);
  t.match(attestationLacks(passed, 'hardware', 1500, 500), /too old/, 'older than who asks allows');
  t.match(
    attestationLacks({ ...passed, at: 90_000, freshUntil: 99_000 }, 'hardware', 1500),
    /dated in the future/,
    'a clock that was put back makes nothing young again',
  );
  t.match(attestationLacks({ ...passed, tpm: 'software' }, 'hardware', 1500), /is software/);
  t.equal(attestationLacks({ ...passed, tpm: 'software' }, 'software', 1500), undefined);
  t.match(attestationLacks({ ...passed, verdict: 'failed', reason: 'PCR 4' }, 'software', 1500), /PCR 4/);
  t.match(attestationLacks({ ...passed, tpm: 'none' }, 'software', 1500), /no TPM/);
  t.match(attestationLacks(unattested('hardware', ''), 'software', 1500), /no verifier/);
});

t.test('who requires nothing gets through with nothing', async (t) => {
  t.equal(attestationLacks(unattested('none', 'no TPM'), 'none', 0), undefined);
});
