// The verifier's word: an EAT that public libraries read, and that nobody else can write.
import t from 'tap';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { decodeJwt, jwtVerify, importJWK } from 'jose';
import {
  eatProfile,
  enrolmentToken,
  readEnrolmentToken,
  readExpectations,
  readResult,
  resultToken,
} from '../../daemon/verifier/mod.ts';
import type { Enrolled, SigningKey, Verdict } from '../../daemon/verifier/mod.ts';
import { verifierKey } from '../support/attested.ts';

const key = verifierKey();
const publicOf = ({ jwk }: SigningKey) => {
  const { d, ...rest } = jwk;
  t.ok(d, 'the private part is not in the public key');
  return rest;
};
const verdict: Verdict = {
  accepted: false,
  checks: [
    { name: 'nonce', outcome: 'success', reason: '' },
    { name: 'policy', outcome: 'fail', reason: 'policy 00 is not on the list' },
  ],
  ak: `000b${'ab'.repeat(32)}`,
  tpm: 'software',
  statement: undefined,
  tokenKeys: [],
  authentic: true,
  memory: undefined,
};
const options = { key, nonce: '01'.repeat(16), now: 1000, lifetime: 300 };

t.test('a result carries a claim a check, its reason, and the claims of RFC 9711', async (t) => {
  const token = await resultToken(verdict, options);
  const { payload, protectedHeader } = await jwtVerify(token, await importJWK(publicOf(key), 'EdDSA'), {
    currentDate: new Date(1_100_000),
  });
  t.equal(protectedHeader.typ, 'eat+jwt');
  t.match(payload, {
    iss: 'test-verifier',
    iat: 1000,
    exp: 1300,
    eat_profile: eatProfile,
    eat_nonce: Buffer.alloc(16, 1).toString('base64url'),
    measres: [
      [
        'cordon',
        [
          ['nonce', 'success'],
          ['policy', 'fail'],
        ],
      ],
    ],
    cordon: { accepted: false, tpm: 'software', reasons: { policy: 'policy 00 is not on the list' } },
  });
  t.equal(Buffer.from(String(payload['ueid']), 'base64url').length, 33);
  t.same(await readResult(token, publicOf(key), 1100), {
    accepted: false,
    tpm: 'software',
    ak: verdict.ak,
    issuer: 'test-verifier',
    nonce: options.nonce,
    issued: 1000,
    expires: 1300,
    failures: ['policy: policy 00 is not on the list'],
  });
});

t.test('a result that is old, of another key, unsigned or changed is not believed', async (t) => {
  const token = await resultToken(verdict, options);
  await t.rejects(readResult(token, publicOf(key), 1300), /not to be believed/);
  const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  await t.rejects(readResult(token, other, 1100), /not to be believed/);
  const [header = '', body = '', signature = ''] = token.split('.');
  const none = Buffer.from('{"alg":"none","typ":"eat+jwt"}').toString('base64url');
  await t.rejects(readResult(`${none}.${body}.`, publicOf(key), 1100), /not to be believed/);
  const claims = { ...decodeJwt(token), cordon: { accepted: true, tpm: 'hardware' } };
  const lie = Buffer.from(JSON.stringify(claims)).toString('base64url');
  await t.rejects(readResult(`${header}.${lie}.${signature}`, publicOf(key), 1100), /not to be believed/);
  // The public key as the secret of an HMAC.
  const pem = createPublicKey({ format: 'jwk', key: publicOf(key) }).export({
    type: 'spki',
    format: 'pem',
  });
  t.ok(pem.length > 0);
  const hs = Buffer.from('{"alg":"HS256","typ":"eat+jwt"}').toString('base64url');
  await t.rejects(readResult(`${hs}.${body}.${signature}`, publicOf(key), 1100), /not to be believed/);
});

t.test('an enrolment is the verifier’s own word, and no result', async (t) => {
  const enrolled: Enrolled = {
    ak: verdict.ak,
    ek: '11'.repeat(32),
    tpm: 'hardware',
    manufacturer: 'id:49465800',
    model: 'SLB9670',
    firmware: 'id:00070055',
    counter: '22'.repeat(34),
  };
  const token = await enrolmentToken(enrolled, key, 1000);
  t.same(await readEnrolmentToken(token, publicOf(key)), enrolled);
  await t.rejects(readResult(token, publicOf(key), 1100), /not to be believed/);
  await t.rejects(
    readEnrolmentToken(await resultToken(verdict, options), publicOf(key)),
    /not to be believed/,
  );
});

t.test('reference values with a mistake are errors that name the key', async (t) => {
  t.equal(readExpectations('{"allow-software":true}').allowSoftware, true);
  t.same(readExpectations('{}').pcrs, [0, 1, 2, 3, 4, 5, 6, 7, 9, 14]);
  for (const [text, key] of [
    ['{"allow-sofware":true}', /allow-sofware/],
    ['{"pcrs":[99]}', /pcrs/],
    ['{"pcr-values":{"7":["xyz"]}}', /pcr-values/],
    ['{"bank":"sha1"}', /bank/],
    ['{"trusted-keys":{"ab":"hardware"}}', /trusted-keys/],
    ['{', /not JSON/],
  ] as const)
    t.throws(() => readExpectations(text), key);
});
