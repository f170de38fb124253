// The verifier's signing key: Ed25519, in a file that only its owner reads, made when it is not there.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { JWK } from 'jose';
import { CordonError } from '../model/mod.ts';

export function verifierKeyAt(path: string): JWK {
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const jwk = privateKey.export({ format: 'jwk' });
    const kid = createHash('sha256')
      .update(jwk.x ?? '')
      .digest('base64url')
      .slice(0, 16);
    writeFileSync(path, JSON.stringify({ ...jwk, alg: 'EdDSA', kid }), { mode: 0o600, flag: 'wx' });
  }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new CordonError('config-invalid', `${path} is readable by others`, {
      file: path,
      fix: `chmod 600 ${path}`,
    });
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as JWK;
  } catch (cause) {
    throw new CordonError('config-invalid', `${path} is no key (JWK)`, { file: path, cause });
  }
}
