// What a token costs: minted (signed and known), recorded (with an fsync, while a TPM signs), and verified as a backend does it (token,
// proof of possession, replay cache, status list). Run:
//   bash daemon/scripts/node24.sh test/bench/tokens.ts
// Each figure is the time of one call, one after the other, in one process. With a software TPM its own signature, through its
// process and nothing else, is timed in turn with the mints: the machine's speed is then the same for both.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit } from '../../daemon/audit/mod.ts';
import { createDecider } from '../../daemon/decision/mod.ts';
import { unattested } from '../../daemon/model/mod.ts';
import type { CapabilitySet } from '../../daemon/model/mod.ts';
import {
  createTokenVerifier,
  KeyRing,
  softwareKeeper,
  TokenAuthority,
  tpmKeeper,
  wishOf,
} from '../../daemon/tokens/mod.ts';
import type { Claims, SessionView, SigningAlgorithm, SigningKey } from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { createPrimary, held, load, signDigest } from '../../native-bindings/tpm/mod.ts';
import type { Transport } from '../../native-bindings/tpm/mod.ts';
import { RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';

const warm = 200;
const count = 700;
const url = 'https://api.example/v1/x';
const source = { file: 'bench', line: 1, key: 'bench' };
const capabilitySet: CapabilitySet = {
  generation: 1,
  mode: 'enforce',
  policyDigest: 'd',
  profile: { name: 'bench', version: 1 },
  rules: [
    { id: 'builtin/default-deny', source, never: false },
    { id: 'bench', source, never: false },
  ],
  files: [],
  exec: [],
  network: [{ rule: 1, effect: 'allow', host: 'api.example', port: 443 }],
  sockets: [],
  tokens: { rule: 1, attestation: 'none', lifetime: 300, audiences: ['urn:api'], tools: [], rows: [] },
};
const wish = JSON.stringify({
  audience: 'urn:api',
  authorization_details: [{ type: 'http', methods: ['POST'], host: 'api.example', port: 443, path: '/v1/*' }],
});

function show(name: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const at = (share: number): string => times[Math.floor(times.length * share)]!.toFixed(3).padStart(9);
  console.log(`${name.padEnd(44)}${at(0.5)}${at(0.99)}`);
}

async function timed<T>(
  of: number,
  call: (i: number) => Promise<T>,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<{ times: number[]; results: T[] }> {
  const times: number[] = [];
  const results: T[] = [];
  for (let i = 0; i < warm + of; i++) {
    const begin = performance.now();
    const result = await call(i);
    if (i >= warm) times.push(performance.now() - begin);
    results.push(result);
    await between();
  }
  return { times, results };
}

async function bench(
  algorithm: SigningAlgorithm,
  keeper = softwareKeeper(algorithm),
  where = '',
  alone?: (key: SigningKey) => Promise<() => Promise<unknown>>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-bench-'));
  const now = Date.now;
  const audit = openAudit(join(directory, 'cordon.db'), { now });
  const ring = await KeyRing.open(join(directory, 'keys.json'), keeper, now());
  const authority = new TokenAuthority({
    ring,
    store: audit.tokens,
    issuer: 'urn:bench',
    statusUri: 'file:///s',
    now,
    attestation: () => unattested('none', 'no TPM'),
  });
  const key = newProofKey();
  const viewOf = (session: string): SessionView => ({
    subject: { session, user: 'nobody', agent: { name: 'bench' } },
    capabilitySet,
    decider: createDecider(capabilitySet),
  });
  const view = viewOf('bench');
  const record = (claims: Claims): void => {
    audit.spool.append('bench', {
      kind: 'token',
      operation: 'mint',
      object: claims.aud,
      disposition: 'allowed',
      layer: 'daemon',
      reason: 'bench',
      detail: { jti: claims.jti, uses: claims.uses },
    });
  };
  const sign = await alone?.(ring.signing(now()));
  const signing: number[] = [];
  const minted = await timed(
    count,
    () => authority.mint(view, wishOf(wish), key.thumbprint),
    async () => {
      if (sign === undefined) return;
      const begin = performance.now();
      await sign();
      signing.push(performance.now() - begin);
    },
  );
  show(`mint, ${algorithm}${where}`, minted.times);
  if (sign !== undefined) show('  the TPM’s signature alone', signing.slice(warm));
  const recorded = await timed(count, async (i) => {
    record(minted.results[i]!.claims);
  });
  show('  its record, on the disk', recorded.times);
  const other = viewOf('recorded');
  const both = await timed(count, () =>
    authority.mint(other, wishOf(wish), key.thumbprint, undefined, record),
  );
  show('  mint and record, as cordond does it', both.times);
  const list = await authority.statusList();
  const verifier = createTokenVerifier({
    jwks: authority.jwks(),
    issuer: 'urn:bench',
    audience: 'urn:api',
    statusList: () => list,
  });
  const requests = minted.results.map(({ token }) => ({
    authorization: `DPoP ${token}`,
    dpop: key.prove({ method: 'POST', url, token, now: now() }),
    method: 'POST',
    url,
  }));
  const verified = await timed(count, (i) => verifier.verify(requests[i]!));
  show(`verify, ${algorithm}, with proof (ES256) and status`, verified.times);
  audit.close();
  rmSync(directory, { recursive: true });
}

console.log('$ bash daemon/scripts/node24.sh test/bench/tokens.ts');
console.log(`${'tokens'.padEnd(44)}${'p50 ms'.padStart(9)}${'p99 ms'.padStart(9)}`);
await bench('EdDSA');
await bench('ES256');
if (noSwtpm === undefined) {
  const endings: (() => unknown)[] = [];
  const swtpm = await startSwtpm({ teardown: (work) => void endings.push(work) }, { certified: false });
  const tpm = swtpm.open();
  await bench('ES256', tpmKeeper(tpm, 'software'), ', in a software TPM', async ({ wrapped }) => {
    const parent = (transport: Transport) => createPrimary(transport, RH.OWNER, templates.storageP256);
    const key = await tpm.use((transport) =>
      held(transport, parent(transport), (root) => load(transport, root, wrapped!)),
    );
    const digest = createHash('sha256').update('bench').digest();
    return () => tpm.use((transport) => signDigest(transport, key, digest));
  });
  for (const end of endings.toReversed()) await end();
}
