// What a TPM answers is read as what a stranger says: it may be broken, or somebody on the bus in its place.
import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as tpm from '../../../native-bindings/tpm/mod.ts';
import type { Transport } from '../../../native-bindings/tpm/mod.ts';
import {
  ALG,
  concat,
  put,
  RH,
  templates,
  TpmWireError,
  writeSelection,
} from '../../../native-bindings/tpm/wire/mod.ts';
import { deframer } from '../../../native-bindings/tpm/transport/frames.ts';

const key = { handle: 0x80000000, name: Buffer.alloc(34, 1) };
const digest = Buffer.alloc(32, 2);
const index = {
  handle: 0x01800000,
  name: Buffer.alloc(34, 3),
  facts: { index: 0x01800000, nameAlg: ALG.SHA256, attributes: 0x12, policy: Buffer.alloc(0), size: 8 },
};
const wrapped = { privateArea: Buffer.alloc(8), publicArea: templates.akP256 };
const session = {
  handle: 0x03000000,
  kind: 'policy',
  key: Buffer.alloc(32, 4),
  nonceTpm: Buffer.alloc(16),
} as const;

/** Every command whose answer is read. */
const commands: Readonly<Record<string, (transport: Transport) => Promise<unknown>>> = {
  createPrimary: (transport) => tpm.createPrimary(transport, RH.OWNER, templates.storageP256),
  create: (transport) => tpm.create(transport, key, templates.signingChild),
  saveContext: (transport) => tpm.saveContext(transport, key.handle),
  loadContext: (transport) => tpm.loadContext(transport, digest),
  load: (transport) => tpm.load(transport, key, wrapped),
  readLoaded: (transport) => tpm.readLoaded(transport, key.handle),
  quote: (transport) => tpm.quote(transport, key, digest, { alg: ALG.SHA256, pcrs: [0, 7] }),
  certify: (transport) => tpm.certify(transport, key, key, digest),
  certifyCreation: (transport) =>
    tpm.certifyCreation(transport, key, key, digest, { creationHash: digest, ticket: Buffer.alloc(4) }),
  certifyNv: (transport) => tpm.certifyNv(transport, key, index, digest),
  signDigest: (transport) => tpm.signDigest(transport, key, digest),
  activateCredential: (transport) =>
    tpm.activateCredential(
      transport,
      key,
      key,
      { session: { ...session } },
      { idObject: Buffer.alloc(4), encryptedSecret: Buffer.alloc(4) },
    ),
  unseal: (transport) => tpm.unseal(transport, key, { session: { ...session } }),
  startSession: (transport) => tpm.startSession(transport, 'hmac'),
  policyDigest: (transport) => tpm.policyDigest(transport, { ...session }),
  readPcrs: (transport) => tpm.readPcrs(transport, { alg: ALG.SHA256, pcrs: [0, 7] }),
  readNvIndex: (transport) => tpm.readNvIndex(transport, 0x01800000),
  readNv: (transport) => tpm.readNv(transport, index),
  handlesFrom: (transport) => tpm.handlesFrom(transport, 0x80000000),
  properties: (transport) => tpm.properties(transport, 0x100),
  identity: (transport) => tpm.identity(transport),
  lockout: (transport) => tpm.lockout(transport),
};

/** A response of success, of the right length: what the code that reads parameters sees. */
const success = fc
  .tuple(fc.constantFrom(0x8001, 0x8002, 0), fc.uint8Array({ maxLength: 120 }))
  .map(([tag, body]) => concat(put.u16(tag), put.u32(10 + body.length), put.u32(0), body));
/** Structures in sizes that nearly fit get deeper than noise. */
const structured = fc
  .array(fc.oneof(fc.uint8Array({ maxLength: 40 }).map(put.sized), fc.nat(0xffffffff).map(put.u32)), {
    maxLength: 6,
  })
  .map((parts) => concat(...parts))
  .chain((body) => fc.constantFrom(body, concat(put.u32(0x80000001), put.u32(body.length), body)))
  .map((body) => concat(put.u16(0x8002), put.u32(10 + body.length), put.u32(0), body));
const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
/** Failures that are not repeated: TPM_RC_VALUE with a parameter, TPM_RC_POLICY_FAIL with a session. */
const failure = fc
  .constantFrom(0x1c4, 0x99d, 0x101, 0x921)
  .map((code) => concat(put.u16(0x8001), put.u32(10), put.u32(code)));

for (const [name, command] of Object.entries(commands))
  t.test(`${name} returns or refuses, whatever the TPM answers`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(success, structured, noise, failure), async (response) => {
        try {
          await command({ transceive: () => Promise.resolve(Buffer.from(response)) });
        } catch (error) {
          assert.ok(error instanceof TpmWireError || error instanceof tpm.TpmError, String(error));
        }
      }),
      { numRuns: 150 },
    );
  });

t.test('an answer that somebody changed on its way is refused, by every bit of it', async (t) => {
  // Under a salted session the TPM vouches for its answer; whoever does not know the salt cannot.
  await fc.assert(
    fc.asyncProperty(structured, async (response) => {
      const unsealed = tpm.unseal({ transceive: () => Promise.resolve(response) }, key, {
        session: { ...session },
      });
      await assert.rejects(unsealed);
    }),
    { numRuns: 100 },
  );
  t.pass();
});

t.test('values of PCRs that nobody asked for are refused, and not asked for again and again', async (t) => {
  let asked = 0;
  const other = concat(
    put.u32(1),
    writeSelection([{ alg: ALG.SHA256, pcrs: [5] }]),
    put.u32(1),
    put.sized(Buffer.alloc(32)),
  );
  const transceive = (): Promise<Buffer> => {
    asked += 1;
    return Promise.resolve(concat(put.u16(0x8001), put.u32(10 + other.length), put.u32(0), other));
  };
  await t.rejects(tpm.readPcrs({ transceive }, { alg: ALG.SHA256, pcrs: [0, 7] }), {
    message: /not asked for/,
  });
  t.equal(asked, 1);
});

t.test('a stream of frames that is none is refused in words, and holds no more than one frame', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 6 }), (chunks) => {
      const take = deframer(50);
      try {
        for (const chunk of chunks) for (const body of take(Buffer.from(chunk))) assert.ok(body.length <= 50);
      } catch (error) {
        assert.match(error instanceof Error ? error.message : '', /^a frame of \d+ bytes/);
      }
    }),
    { numRuns: 300 },
  );
});
