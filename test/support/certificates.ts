// A certificate authority, a server and a client certificate of the test's own, in files.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tlsAuthority } from './tls-authority.ts';
import type { KeyPair } from './tls-authority.ts';

export interface Certificates {
  readonly ca: Buffer;
  readonly server: KeyPair;
  readonly client: KeyPair;
  /** Where they are: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`. */
  readonly directory: string;
}

/** The server's certificate is for 127.0.0.1 and `localhost`. */
export function makeCertificates(directory: string): Certificates {
  const { ca, issue } = tlsAuthority(directory);
  const server = issue('server', { names: 'IP:127.0.0.1,DNS:localhost' });
  const client = issue('client', { names: '', usage: 'clientAuth' });
  for (const [name, { cert, key }] of Object.entries({ server, client })) {
    writeFileSync(join(directory, `${name}.pem`), cert);
    writeFileSync(join(directory, `${name}.key`), key, { mode: 0o600 });
  }
  return { ca: Buffer.from(ca), server, client, directory };
}
