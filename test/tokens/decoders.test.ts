import fc from 'fast-check';
import t from 'tap';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import {
  checkProof,
  claimsJson,
  claimsOf,
  decodeBits,
  destinationOf,
  detailsOf,
  encodeBits,
  headerOf,
  keySource,
  memoryReplay,
  newTokenId,
  readStatusList,
  readToken,
  TokenRefused,
  verifyingKeys,
  wishOf,
} from '../../daemon/tokens/mod.ts';
import { derOf } from '../../daemon/tokens/ecdsa.ts';
import { detail } from './arbitrary.ts';
import { endpoint, issuer, now, sampleClaims } from './support.ts';

/** Anything but a refusal of ours is a fault. */
async function refusesOrReads(work: () => unknown): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof TokenRefused) return false;
    throw error;
  }
}

t.test('a P-256 signature says the same as DER, leading zeros and high bits included', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (let i = 0; i < 600; i++) {
    const message = Buffer.from(String(i));
    const signature = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    t.ok(verify('sha256', message, publicKey, derOf(signature)));
    signature[i % 64]! ^= 1;
    t.notOk(verify('sha256', message, publicKey, derOf(signature)));
  }
  const numbers = Buffer.alloc(64);
  t.equal(derOf(numbers).toString('hex'), '3006020100020100', 'zero');
  numbers[31] = 0x80;
  numbers[62] = 0x01;
  t.equal(derOf(numbers).toString('hex'), '300802020080' + '02020100');
  t.equal(derOf(Buffer.alloc(64, 0xff)).length, 2 + 2 * 35);
  t.end();
});

t.test('claims survive writing and reading', async (t) => {
  fc.assert(
    fc.property(fc.array(detail, { minLength: 1, maxLength: 4 }), (given) => {
      const details = detailsOf(
        JSON.parse(JSON.stringify(claimsJson(sampleClaims({ details: given }))['authorization_details'])),
      );
      const claims = sampleClaims({ details });
      t.strictSame(claimsOf(JSON.parse(JSON.stringify(claimsJson(claims)))), claims);
    }),
    { numRuns: 300 },
  );
});

t.test('an unknown key, a missing key, a wrong type anywhere is refused', async (t) => {
  const whole = claimsJson(sampleClaims()) as Record<string, unknown>;
  for (const key of Object.keys(whole)) {
    t.equal(await refusesOrReads(() => claimsOf({ ...whole, [key]: undefined })), false, `without ${key}`);
    t.equal(await refusesOrReads(() => claimsOf({ ...whole, [key]: [{}] })), false, `${key} of another type`);
  }
  const own = whole['cordon'] as Record<string, unknown>;
  for (const more of [
    { admin: true },
    { uses: 0 },
    { uses: 1.5 },
    { uses: 1e9 },
    { purpose: 'x'.repeat(201) },
    { purpose: 'a\nb' },
  ])
    t.equal(
      await refusesOrReads(() => claimsOf({ ...whole, cordon: { ...own, ...more } })),
      false,
      JSON.stringify(more),
    );
  t.equal(await refusesOrReads(() => claimsOf({ ...whole, sub: 'cordon:session:other' })), false);
});

t.test('details that could be read in two ways are refused', async (t) => {
  const http = { type: 'http', methods: ['GET'], host: 'a.example', port: 443, path: '/v1/*' };
  const bad: readonly object[] = [
    { ...http, methods: [] },
    { ...http, methods: ['GET', 'GET'] },
    { ...http, methods: ['get'] },
    { ...http, host: 'A.example' },
    { ...http, host: 'a.example.' },
    { ...http, host: '*.example' },
    { ...http, port: 0 },
    { ...http, port: '443' },
    { ...http, path: 'v1' },
    { ...http, path: '/v1*' },
    { ...http, path: '/*/v1' },
    { ...http, path: '/v1/../w' },
    { ...http, path: '/v1/%2E%2e/w' },
    { ...http, path: '//v1' },
    { ...http, path: '/v1?x' },
    { ...http, extra: 1 },
    { type: 'everything' },
    { type: 'exec', path: 'bin/ls' },
    { type: 'exec', path: '/bin/../ls' },
    { type: 'db.row', database: 'crm', table: 't', actions: ['select'], key: {} },
    { type: 'db.row', database: 'crm', table: 't', actions: ['drop'], key: { id: 1 } },
    { type: 'db.row', database: 'crm', table: 't; drop', actions: ['select'], key: { id: 1 } },
    { type: 'db.row', database: 'crm', table: 't', actions: ['select'], key: { id: 1.5 } },
    { type: 'file.upload', sha256: 'A'.repeat(64), destination: 'http://a/' },
    { type: 'file.upload', sha256: 'a'.repeat(64), destination: 'ftp://a/' },
  ];
  for (const each of bad) t.equal(await refusesOrReads(() => detailsOf([each])), false, JSON.stringify(each));
  t.equal(await refusesOrReads(() => detailsOf([])), false);
  t.equal(await refusesOrReads(() => detailsOf(Array(17).fill(http))), false);
  for (const text of [
    'http://a:80/',
    'https://a:443/',
    'http://A/',
    'http://u@a/',
    'http://a',
    'http://a/?q',
    'http://a/#f',
    'http://a/*',
    'http://a/../b',
  ])
    t.equal(await refusesOrReads(() => destinationOf(text)), false, text);
  t.strictSame(destinationOf('http://[::1]:8080/up'), {
    scheme: 'http',
    host: '::1',
    port: 8080,
    path: '/up',
  });
});

t.test('a token has one text: bits that no byte is made of are not free', async (t) => {
  const from = await endpoint();
  const good = await from.token();
  const keys = keySource(from.jwks, () => now);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(good.at(-1) ?? '');
  for (let bits = 1; bits < 16; bits++) {
    const other = good.slice(0, -1) + (alphabet[last ^ bits] ?? '');
    t.ok(Buffer.from(other.slice(-86), 'base64url').equals(Buffer.from(good.slice(-86), 'base64url')));
    t.equal(await refusesOrReads(() => readToken(other, keys)), false, other.slice(-4));
  }
});

t.test('every decoder refuses hostile bytes in its own words, and never otherwise', async (t) => {
  const from = await endpoint();
  const good = await from.token();
  const keys = keySource(from.jwks, () => now);
  const text = fc.oneof(
    fc.string({ maxLength: 200, unit: 'binary' }),
    fc.json(),
    // A token with one character changed, put in or left out.
    fc
      .tuple(fc.nat(good.length - 1), fc.string({ maxLength: 3 }))
      .map(([at, put]) => good.slice(0, at) + put + good.slice(at + 1)),
    fc.tuple(fc.json(), fc.json(), fc.base64String()).map(([a, b, c]) =>
      [a, b]
        .map((each) => Buffer.from(each).toString('base64url'))
        .concat(c)
        .join('.'),
    ),
  );
  await fc.assert(
    fc.asyncProperty(text, async (given) => {
      if (given === good) return;
      t.equal(await refusesOrReads(() => readToken(given, keys)), false, given);
      await refusesOrReads(() => headerOf(given, 4096, ['alg']));
      t.equal(await refusesOrReads(() => readStatusList(given, keys, issuer, now)), false);
      t.equal(
        await refusesOrReads(() =>
          checkProof(given, { method: 'GET', url: 'http://a/' }, memoryReplay(), now),
        ),
        false,
      );
      await refusesOrReads(() => wishOf(given));
      await refusesOrReads(() => decodeBits(given));
    }),
    { numRuns: 3000 },
  );
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (given) => {
      await refusesOrReads(() => claimsOf(given));
      await refusesOrReads(() => detailsOf(given));
      await refusesOrReads(() => verifyingKeys(given));
    }),
    { numRuns: 3000 },
  );
});

t.test('the status list is the one of the draft, section 4.1', async (t) => {
  const set = [0, 3, 4, 5, 7, 8, 9, 13, 15];
  t.equal(encodeBits(set, 16), 'eNrbuRgAAhcBXQ');
  t.strictSame([...decodeBits('eNrbuRgAAhcBXQ')], [0xb9, 0xa3]);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(131_071), { maxLength: 50 }), (places) => {
      const bits = inflateSync(Buffer.from(encodeBits(places), 'base64url'));
      t.strictSame(
        places.filter((idx) => ((bits[idx >> 3]! >> (idx & 7)) & 1) === 1),
        places,
      );
    }),
    { numRuns: 50 },
  );
});

t.test('a status list that unpacks without end is refused', async (t) => {
  const { deflateSync } = await import('node:zlib');
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024)).toString('base64url');
  t.equal(await refusesOrReads(() => decodeBits(bomb)), false);
});

t.test(
  'an id can be an argument: it never begins with a hyphen, which commands read as an option',
  async (t) => {
    const ids = Array.from({ length: 5_000 }, newTokenId);
    t.ok(ids.every((id) => /^[A-Za-f][A-Za-z0-9_-]{21}$/.test(id)));
    t.equal(new Set(ids).size, ids.length);
  },
);
