// Second opinions: who has never seen our code checks tokens by the specifications, with OpenSSL and with jose's own JWT layer.
import { spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import {
  calculateJwkThumbprint,
  compactVerify,
  createLocalJWKSet,
  decodeProtectedHeader,
  EmbeddedJWK,
  jwtVerify,
} from 'jose';
import type { JSONWebKeySet } from 'jose';
import t from 'tap';
import { keySource, readToken, signStatusList, TokenRefused } from '../../daemon/tokens/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { audience, endpoint, issuer, now, url } from './support.ts';

const found = spawnSync('openssl', ['version'], { encoding: 'utf8' });
const noOpenssl = found.status === 0 ? false : 'there is no openssl';

t.test(
  'OpenSSL verifies the signature of a token, and not of one that was changed',
  { skip: noOpenssl },
  async (t) => {
    const directory = temporaryDirectory(t);
    const from = await endpoint('EdDSA');
    const [head = '', payload = '', signature = ''] = (await from.token()).split('.');
    const put = (name: string, bytes: string | Buffer): string => {
      writeFileSync(join(directory, name), bytes);
      return join(directory, name);
    };
    const key = createPublicKey({ key: { ...from.key.publicJwk }, format: 'jwk' });
    const pem = put('key.pem', key.export({ type: 'spki', format: 'pem' }));
    const verify = (signed: string): number | null => {
      const args = ['pkeyutl', '-verify', '-pubin', '-rawin', '-inkey', pem, '-in', put('signed', signed)];
      return spawnSync('openssl', [
        ...args,
        '-sigfile',
        put('signature', Buffer.from(signature, 'base64url')),
      ]).status;
    };
    t.equal(verify(`${head}.${payload}`), 0);
    t.not(verify(`${head}.${payload}A`), 0);
  },
);

t.test('a generic JWT library accepts token, proof and status list by their specifications', async (t) => {
  for (const algorithm of ['EdDSA', 'ES256'] as const) {
    const from = await endpoint(algorithm);
    const keys = createLocalJWKSet(from.jwks as JSONWebKeySet);
    const token = await from.token();
    const options = { issuer, audience, typ: 'cordon-token+jwt', currentDate: new Date(now) };
    const { payload } = await jwtVerify(token, keys, options);
    const proof = from.proof(token);
    const shown = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt', currentDate: new Date(now) });
    t.match(shown.payload, { htm: 'POST', htu: url });
    const { jwk } = decodeProtectedHeader(proof);
    t.strictSame(payload['cnf'], { jkt: await calculateJwkThumbprint(jwk!) });
    const facts = { issuer, uri: 'file:///s', now, ttl: 60, lifetime: 3600 };
    const list = await jwtVerify(await signStatusList(from.key, [7], facts), keys, {
      issuer,
      subject: 'file:///s',
      typ: 'statuslist+jwt',
      currentDate: new Date(now),
    });
    const { status_list: status } = payload['status'] as { status_list: { idx: number } };
    const { lst, bits } = list.payload['status_list'] as { lst: string; bits: number };
    const bytes = inflateSync(Buffer.from(lst, 'base64url'));
    t.equal(bits, 1);
    t.equal((bytes[status.idx >> 3]! >> (status.idx & 7)) & 1, 1, 'this token is revoked');
    await t.rejects(jwtVerify(token, keys, { ...options, audience: 'urn:other' }));
    await t.rejects(
      jwtVerify(token, createLocalJWKSet((await endpoint(algorithm)).jwks as JSONWebKeySet), options),
    );
  }
});

t.test(
  'of changed tokens, none is accepted that jose would not accept, by signature and algorithm',
  async (t) => {
    for (const algorithm of ['EdDSA', 'ES256'] as const) {
      const from = await endpoint(algorithm);
      const other = await endpoint(algorithm === 'EdDSA' ? 'ES256' : 'EdDSA');
      const keys = createLocalJWKSet(from.jwks as JSONWebKeySet);
      const source = keySource(from.jwks, () => now);
      const tokens = [await from.token(), await other.token(), await from.token({ uses: 7 })];
      const whole = tokens[0] ?? '';
      const characters = Array.from('AQgw_-.=+/ 0');
      let accepted = 0;
      const mutant = fc.oneof(
        fc.constantFrom(...tokens),
        fc
          .tuple(fc.nat(whole.length - 1), fc.constantFrom(...characters))
          .map(([at, by]) => whole.slice(0, at) + by + whole.slice(at + 1)),
        fc.nat(whole.length).map((at) => whole.slice(0, at)),
        fc
          .tuple(fc.constantFrom(...tokens), fc.constantFrom(...tokens), fc.constantFrom(0, 1, 2))
          .map(([a, b, i]) => {
            const parts = a.split('.');
            parts[i] = b.split('.')[i] ?? '';
            return parts.join('.');
          }),
      );
      await fc.assert(
        fc.asyncProperty(mutant, async (token) => {
          const ours = await readToken(token, source).then(
            () => true,
            (error: unknown) => {
              if (error instanceof TokenRefused) return false;
              throw error;
            },
          );
          if (!ours) return;
          accepted += 1;
          const header = decodeProtectedHeader(token);
          await compactVerify(token, await keys(header as Parameters<typeof keys>[0]), {
            algorithms: [algorithm],
          });
        }),
        { numRuns: 400 },
      );
      t.ok(accepted > 20, `${accepted} were accepted`);
    }
  },
);
