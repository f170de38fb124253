// A machine with a software TPM of its own, and a verifier that knows the TPM's maker.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { Attester } from '../../daemon/attestation/mod.ts';
import type { AttesterOptions, DaemonFacts } from '../../daemon/attestation/mod.ts';
import { defaultPcrs, evidenceText } from '../../daemon/evidence/mod.ts';
import { certificatesOf, challenge, noExpectations, verifyEvidence } from '../../daemon/verifier/mod.ts';
import type {
  Anchors,
  Enrolled,
  Expectations,
  Memory,
  SigningKey,
  Verdict,
} from '../../daemon/verifier/mod.ts';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import { startSwtpm } from './swtpm.ts';
import type { Swtpm } from './swtpm.ts';

export const daemonFacts: DaemonFacts = {
  version: '0.1.0',
  bootId: '6e1d3c0f-0d5e-4c3a-9f5a-0c3f1b7a2d11',
  images: { daemon: 'aa'.repeat(32), supervisor: 'bb'.repeat(32) },
  policy: { digest: 'cc'.repeat(32), version: 3 },
  generation: 4,
  audit: { origin: 'cordon-log/test', size: 10, root: 'dd'.repeat(32), key: 'ee'.repeat(32) },
  killEpoch: 1,
  sessions: [
    {
      id: 's1',
      profile: 'coding-agent',
      profileVersion: 3,
      mode: 'enforce',
      policy: 'ff'.repeat(32),
      generation: 4,
      layers: ['seccomp', 'landlock'],
      lacking: [],
    },
  ],
};

export const memoryStore = (): AttesterOptions['store'] & { readonly kept: Map<string, string> } => {
  const kept = new Map<string, string>();
  return { kept, read: (name) => kept.get(name), write: (name, value) => void kept.set(name, value) };
};

export interface Attested {
  readonly swtpm: Swtpm;
  readonly attester: Attester;
  readonly store: ReturnType<typeof memoryStore>;
  readonly anchors: Anchors;
  readonly enrolled: Enrolled;
  /** Facts of the next statements; replaced at will. */
  facts: DaemonFacts;
  /** A quote over a fresh nonce, and that nonce. */
  quote(): Promise<{ readonly nonce: string; readonly evidence: string }>;
  verify(
    quoted: { readonly nonce: string; readonly evidence: string },
    changes?: Partial<Expectations>,
    memory?: Memory,
  ): Verdict;
}

export const anchorsOf = ({ root, issuer }: Swtpm): Anchors => ({
  roots: certificatesOf(readFileSync(root, 'utf8')).map((certificate) => ({ certificate, kind: 'software' })),
  intermediates: certificatesOf(readFileSync(issuer, 'utf8')),
});

/** Enrolled. */
export async function attested(
  t: Pick<Test, 'teardown'>,
  asked: Partial<AttesterOptions> | ((tpm: Tpm) => Partial<AttesterOptions>) = {},
): Promise<Attested> {
  const swtpm = await startSwtpm(t);
  const tpm = swtpm.open();
  const options = typeof asked === 'function' ? asked(tpm) : asked;
  const store = memoryStore();
  const machine: { facts: DaemonFacts } = { facts: daemonFacts };
  const attester = new Attester({
    tpm,
    counter: 0x0181c0d0,
    ekCertificates: [],
    store,
    bank: 'sha256',
    pcrs: defaultPcrs,
    logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
    facts: () => machine.facts,
    ...options,
  });
  const anchors = anchorsOf(swtpm);
  const { credential, secret, enrolled } = challenge(await attester.enrol(), anchors, Date.now());
  const given = await attester.activate({ id: '1', ...credential });
  if (!given.equals(secret)) throw new Error('the credential was not activated');
  return Object.assign(machine, {
    swtpm,
    attester,
    store,
    anchors,
    enrolled,
    quote: async () => {
      const nonce = randomBytes(32).toString('hex');
      return { nonce, evidence: evidenceText(await attester.quote(nonce)) };
    },
    verify: (
      { nonce, evidence }: { readonly nonce: string; readonly evidence: string },
      changes: Partial<Expectations> = {},
      memory?: Memory,
    ) =>
      verifyEvidence({
        evidence,
        nonce,
        enrolled,
        expectations: { ...noExpectations, allowSoftware: true, ...changes },
        ...(memory === undefined ? {} : { memory }),
      }),
  });
}

export const failures = ({ checks }: Verdict): string[] =>
  checks.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name);

export function verifierKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    jwk: { ...privateKey.export({ format: 'jwk' }), alg: 'EdDSA', kid: 'test' },
    issuer: 'test-verifier',
  };
}
