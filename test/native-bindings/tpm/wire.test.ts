// Decoders of TPM structures: whatever the bytes, they return or throw TpmWireError; what they read they can be held to.
import t from 'tap';
import fc from 'fast-check';
import {
  ALG,
  ascending,
  concat,
  keyObjectOf,
  nameOf,
  pcrPolicy,
  put,
  readAttest,
  readCredentialFile,
  Reader,
  readKey,
  readNvPublic,
  readPublic,
  readSelection,
  readSignature,
  signedBy,
  templates,
  TpmWireError,
  writeCredentialFile,
  writeNvPublic,
  writeSelection,
} from '../../../native-bindings/tpm/wire/mod.ts';
import { deframer, frame } from '../../../native-bindings/tpm/transport/frames.ts';

const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  readAttest,
  readPublic,
  readSignature,
  readNvPublic,
  readCredentialFile,
  readSelection: (bytes) => readSelection(new Reader(bytes)),
  keyObjectOf: (bytes) => keyObjectOf(readKey(bytes)),
};

const seeds: readonly Buffer[] = [
  ...Object.values(templates).map((template) =>
    typeof template === 'function'
      ? (template as (given: never) => Buffer)(Buffer.alloc(32) as never)
      : template,
  ),
  writeSelection([{ alg: ALG.SHA256, pcrs: [0, 7, 23] }]),
  concat(
    put.u16(ALG.ECDSA),
    put.u16(ALG.SHA256),
    put.sized(Buffer.alloc(32, 1)),
    put.sized(Buffer.alloc(32, 2)),
  ),
  writeNvPublic({
    index: 0x1800000,
    nameAlg: ALG.SHA256,
    attributes: 0x12,
    policy: Buffer.alloc(0),
    size: 8,
  }),
  concat(
    put.u32(0xff544347),
    put.u16(0x8018),
    put.sized(Buffer.alloc(34)),
    put.sized(Buffer.alloc(32)),
    Buffer.alloc(25),
    writeSelection([{ alg: ALG.SHA256, pcrs: [0] }]),
    put.sized(Buffer.alloc(32)),
  ),
];

/** A real structure with some bytes changed, cut or added: gets deeper than noise does. */
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
    fc.integer({ min: -8, max: 8 }),
  )
  .map(([seed, changes, growth]) => {
    const bytes = Buffer.alloc(Math.max(0, seed.length + growth));
    seed.copy(bytes);
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });

function answersOrRefuses(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return true;
  } catch (error) {
    return error instanceof TpmWireError;
  }
}

for (const [name, decode] of Object.entries(decoders))
  t.test(`${name} returns or refuses, whatever the bytes`, async () => {
    const bytes = fc.oneof(mutated, fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(bytes, (given) => answersOrRefuses(decode, given)),
      { numRuns: 3000 },
    );
  });

t.test('a selection comes back as it was written', async () => {
  const pcrs = fc.uniqueArray(fc.nat(23)).map(ascending);
  const bank = fc.record({ alg: fc.constantFrom(ALG.SHA1, ALG.SHA256, ALG.SHA384), pcrs });
  fc.assert(
    fc.property(fc.array(bank, { maxLength: 4 }), (banks) => {
      const again = readSelection(new Reader(writeSelection(banks)));
      return JSON.stringify(again) === JSON.stringify(banks);
    }),
  );
});

t.test('a credential file comes back as it was written', async (t) => {
  const credential = { idObject: Buffer.from('id'), encryptedSecret: Buffer.from('secret') };
  t.same(readCredentialFile(writeCredentialFile(credential)), credential);
});

t.test('no signature of noise is believed', async () => {
  const key = readKey(
    concat(
      templates.akP256.subarray(0, templates.akP256.length - 4),
      // The base point of P-256: a key that everybody knows.
      put.sized(Buffer.from('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex')),
      put.sized(Buffer.from('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5', 'hex')),
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (r, s) => {
      const bytes = concat(put.u16(ALG.ECDSA), put.u16(ALG.SHA256), put.sized(r), put.sized(s));
      return !signedBy(key, Buffer.from('message'), readSignature(bytes));
    }),
  );
});

t.test('the policy of an EK template is PolicySecret of the endorsement hierarchy', async (t) => {
  const { policy, attributes } = readPublic(templates.ekP256);
  t.equal(policy.toString('hex'), '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa');
  t.equal(attributes, 0x300b2);
  t.equal(readPublic(templates.ekP384).attributes, 0x300f2);
  t.equal(nameOf(readPublic(templates.ekP256)).length, 34);
  t.equal(pcrPolicy(ALG.SHA256, new Map([[0, Buffer.alloc(32)]])).length, 32);
});

t.test('frames come back whole, however the stream cuts them', async () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 });
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 9 }), (given, size) => {
      const stream = Buffer.concat(given.map((body) => frame(body)));
      const take = deframer(50);
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) got.push(...take(stream.subarray(at, at + size)));
      return got.length === given.length && got.every((body, i) => body.equals(Buffer.from(given[i] ?? [])));
    }),
  );
});
