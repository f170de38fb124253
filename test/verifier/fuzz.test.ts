// Everything that a verifier, or the keeper of an escrow key, reads from strangers: each returns or refuses in its own words.
import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  evidenceText,
  openWithEscrow,
  readSealed,
  readSecrets,
  readVaultFile,
  sealedIn,
  sealedText,
  sealingKeys,
  toEscrow,
  unbox,
  vaultText,
} from '../../daemon/evidence/mod.ts';
import type { Sealed } from '../../daemon/evidence/mod.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { KeyRing, softwareKeeper } from '../../daemon/tokens/mod.ts';
import { criticalExtensions, derLength } from '../../daemon/verifier/der.ts';
import {
  ekCertificate,
  noExpectations,
  readEnrolmentToken,
  readExpectations,
  readResult,
  resultToken,
  verifyEvidence,
} from '../../daemon/verifier/mod.ts';
import { readForm } from '../../daemon/verifier-service/form.ts';
import {
  exchangeGrant,
  formType,
  jwtType,
  openStore,
  readMintingPolicy,
  serveRequest,
} from '../../daemon/verifier-service/mod.ts';
import { concat, put, readCreationData, TpmWireError } from '../../native-bindings/tpm/wire/mod.ts';
import { daemonFacts, verifierKey } from '../support/attested.ts';
import { escrowKeys } from '../support/escrow.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tlsAuthority } from '../support/tls-authority.ts';

type Work = () => unknown;

/** What a decoder of ours throws. */
const ours = (error: unknown): boolean => error instanceof CordonError || error instanceof TpmWireError;
async function returnsOrRefuses(work: Work): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.ok(ours(error), `${String(error)}\n${error instanceof Error ? (error.stack ?? '') : ''}`);
  }
}

/** A sound text or some bytes with a piece changed: gets deeper than noise. */
const changedText = (seed: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.nat(seed.length), fc.nat(12), fc.string({ maxLength: 6 }))
    .map(([at, cut, text]) => seed.slice(0, at) + text + seed.slice(at + cut));
const texts = (seed: string): fc.Arbitrary<string> =>
  fc.oneof(changedText(seed), fc.json(), fc.string({ unit: 'binary', maxLength: 100 }));
const changedBytes = (seed: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(seed.length), fc.nat(255)), { maxLength: 4 }),
      fc.integer({ min: 0, max: seed.length }),
      fc.boolean(),
    )
    .map(([changes, end, whole]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return whole ? bytes : bytes.subarray(0, end);
    });
const bytesLike = (seed: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    changedBytes(seed),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );

const sealed: Sealed = {
  type: 'cordon-sealed/1',
  bank: 'sha256',
  pcrs: [0, 7],
  privateArea: Buffer.alloc(8, 1),
  publicArea: Buffer.alloc(8, 2),
  creation: { data: Buffer.alloc(4), ticket: Buffer.alloc(4) },
  escrow: toEscrow(Buffer.alloc(32, 3), escrowKeys().publicKey),
  box: Buffer.alloc(60, 4),
};
const vault = vaultText({ publicKey: Buffer.alloc(32, 5), sealed });
const secrets = JSON.stringify({ 'record-key': 'PEM', [sealingKeys.name]: 'ab'.repeat(32) });
const reference = JSON.stringify({
  bank: 'sha256',
  pcrs: [0],
  'pcr-values': { '0': ['ab'.repeat(32)] },
  sessions: { mode: 'enforce', layers: ['landlock'] },
  'trusted-keys': { [`000b${'ab'.repeat(32)}`]: 'software' },
});

const minting = JSON.stringify({
  'attested-within': 60,
  rules: [
    {
      tpm: 'software',
      endpoints: [`000b${'ab'.repeat(32)}`],
      audiences: ['urn:a'],
      types: ['http'],
      uses: 2,
    },
    { audiences: ['urn:a'], details: [{ type: 'tool.call', tool: 'search' }], lifetime: 60 },
  ],
});
const form = new URLSearchParams({
  ...{ grant_type: exchangeGrant, subject_token_type: jwtType, subject_token: 'a.b.c' },
  ...{ subject_status_list: 'a.b.c', audience: 'urn:a', uses: '2', expires_in: '60', purpose: 'p' },
  authorization_details: '[{"type":"tool.call","tool":"search"}]',
}).toString();

const textDecoders: Readonly<Record<string, readonly [(text: string) => unknown, string]>> = {
  readSealed: [readSealed, sealedText(sealed)],
  readVaultFile: [readVaultFile, vault],
  sealedIn: [sealedIn, vault],
  readSecrets: [(text) => readSecrets(Buffer.from(text)), secrets],
  'keys that values are sealed under': [(text) => sealingKeys.read(text), `${'ab'.repeat(32)}\n`],
  readExpectations: [readExpectations, reference],
  readMintingPolicy: [readMintingPolicy, minting],
  readForm: [readForm, form],
};
for (const [name, [read, seed]] of Object.entries(textDecoders))
  t.test(`${name} returns or refuses, whatever the text`, async () => {
    await fc.assert(
      fc.asyncProperty(texts(seed), (text) => returnsOrRefuses(() => read(text))),
      { numRuns: 500 },
    );
  });

const creationData = concat(
  put.u32(1),
  put.u16(0x000b),
  put.u8(3),
  Buffer.from([1, 0, 0]),
  put.sized(Buffer.alloc(32)),
  put.u8(1),
  put.u16(0x000b),
  put.sized(Buffer.alloc(34)),
  put.sized(Buffer.alloc(34)),
  put.sized(Buffer.alloc(32)),
);
t.test('readCreationData returns or refuses, whatever the bytes', async (t) => {
  t.equal(readCreationData(creationData).outsideInfo.length, 32, 'the seed is sound');
  await fc.assert(
    fc.asyncProperty(bytesLike(creationData), (bytes) => returnsOrRefuses(() => readCreationData(bytes))),
    { numRuns: 1000 },
  );
});

t.test('a box and an envelope of a vault are opened whole, or refused', async () => {
  await fc.assert(
    fc.asyncProperty(bytesLike(sealed.box), async (box) => {
      await returnsOrRefuses(() => unbox(Buffer.alloc(32, 3), box));
      await returnsOrRefuses(() => openWithEscrow({ ...sealed, box }, escrowKeys().privateKey));
    }),
    { numRuns: 30 },
  );
  await fc.assert(
    fc.asyncProperty(bytesLike(sealed.escrow), (escrow) =>
      returnsOrRefuses(() => openWithEscrow({ ...sealed, escrow }, escrowKeys().privateKey)),
    ),
    { numRuns: 30 },
  );
});

t.test('certificates of endorsement keys lead to a root or are refused, whatever the bytes', async (t) => {
  const { ca, issue } = tlsAuthority(temporaryDirectory(t));
  const pem = issue('leaf', { names: 'DNS:x' }).cert.toString();
  const der = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  t.ok(ca.length > 0 && der.length > 100);
  const anchors = { roots: [], intermediates: [] };
  await fc.assert(
    fc.asyncProperty(bytesLike(der), async (bytes) => {
      await returnsOrRefuses(() => criticalExtensions(bytes));
      await returnsOrRefuses(() => derLength(bytes));
      await assert.rejects(async () => Promise.resolve(ekCertificate([bytes], anchors, Date.now())), ours);
    }),
    { numRuns: 500 },
  );
});

/** The last letter of a signature has bits that no byte is made of, and decoders pass over what is no letter. */
const sameToken = (a: string, b: string): boolean => {
  const parts = [a, b].map((each) => each.split('.'));
  const [one = [], other = []] = parts.map((each) => each.slice(0, 2));
  const [mine, yours] = parts.map((each) =>
    Buffer.from(each.slice(2).join('.'), 'base64url').toString('hex'),
  );
  return one.join('.') === other.join('.') && mine === yours;
};

const key = verifierKey();
t.test('results and enrolments that are none are refused, whatever the token', async (t) => {
  const nonce = 'aa'.repeat(8);
  const verdict = verifyEvidence({ evidence: '', nonce, expectations: noExpectations });
  const token = await resultToken(verdict, { key, nonce, now: 1000, lifetime: 300 });
  t.equal((await readResult(token, key.jwk, 1100)).nonce, nonce, 'the seed is sound');
  await fc.assert(
    fc.asyncProperty(texts(token), async (text) => {
      if (sameToken(text, token)) return;
      await assert.rejects(readResult(text, key.jwk, 1100), ours);
      await assert.rejects(readEnrolmentToken(text, key.jwk), ours);
    }),
    { numRuns: 200 },
  );
});

const evidence = evidenceText({
  type: 'cordon-evidence/1',
  ak: Buffer.alloc(80, 1),
  quote: { attest: Buffer.alloc(40, 2), signature: Buffer.alloc(40, 3) },
  bank: 'sha256',
  pcrs: new Map([[0, Buffer.alloc(32)]]),
  statement: JSON.stringify(daemonFacts),
  tokenKeys: [{ attest: Buffer.alloc(4), signature: Buffer.alloc(4), publicArea: Buffer.alloc(4) }],
});

t.test('the verifier’s service answers every body, and never that it failed itself', async (t) => {
  const directory = temporaryDirectory(t);
  const store = openStore(`${directory}/v.db`);
  const ring = await KeyRing.open(`${directory}/keys.json`, softwareKeeper(), 1_700_000_000_000);
  t.equal(readForm(form).uses, 2, 'the seed is sound');
  const parts = {
    minting: { ring, url: 'https://v.example', policy: readMintingPolicy(minting) },
    store,
    key,
    anchors: { roots: [], intermediates: [] },
    expectations: noExpectations,
    lifetime: 300,
    now: () => 1_700_000_000_000,
  };
  const seeds = [
    '{"type":"cordon-enrolment/1","ek":"AAAA","ak":"AAAA","certificates":["AAAA"],"counter":"AAAA"}',
    '{"id":"x","secret":"00"}',
    JSON.stringify({ nonce: '00', evidence }),
    form,
    '{"statusList":"a.b.c"}',
  ];
  const paths = [
    ...['/v1/token', '/v1/token-keys', '/v1/token-status', '/v1/token-revocations', '/toString'],
    ...['/v1/keys', '/v1/enrol', '/v1/activate', '/v1/nonce', '/v1/verify', '/', '/constructor'],
  ];
  const request = fc.tuple(
    fc.constantFrom('GET', 'POST'),
    fc.constantFrom(...paths),
    fc.oneof(...seeds.map(texts)),
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(request, async ([method, path, body, fresh]) => {
      const { nonce } = JSON.parse((await serveRequest(parts, 'POST', '/v1/nonce', '{}')).body) as {
        nonce: string;
      };
      // With a nonce that was given out the evidence itself is read.
      const headers = { contentType: formType, dpop: body };
      const given = fresh && path === '/v1/verify' ? JSON.stringify({ nonce, evidence: body }) : body;
      const { status, body: text } = await serveRequest(parts, method, path, given, headers);
      assert.ok([200, 400, 403, 404, 413, 429].includes(status), `${status} ${text}`);
      if (path === '/v1/token-status' && status === 200) return;
      const answer = JSON.parse(text) as { accepted?: boolean; access_token?: string };
      assert.notEqual(answer.accepted, true);
      assert.equal(answer.access_token, undefined);
    }),
    { numRuns: 250 },
  );
});
