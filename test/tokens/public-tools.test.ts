// Second opinions: who has never seen our code checks tokens by the specifications, with OpenSSL and with jose's own JWT layer.
import { spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeProtectedHeader,
  EmbeddedJWK,
  jwtVerify,
} from 'jose';
import type { JSONWebKeySet } from 'jose';
import t from 'tap';
import { signStatusList } from '../../daemon/tokens/mod.ts';
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
