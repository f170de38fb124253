// Certificates for the tests of TLS that egress speaks: an authority, and servers that are right, and wrong in one way each. Made by
// openssl(1).
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface TlsAuthority {
  /** PEM of the authority. */
  readonly ca: string;
  readonly issue: (name: string, options?: IssueOptions) => KeyPair;
  /** Signed by itself. */
  alone(name: string): KeyPair;
}

export interface IssueOptions {
  /** `subjectAltName`; '' for none. */
  readonly names?: string;
  /** Days from now; negative: it has expired. */
  readonly days?: number;
  readonly usage?: string;
}

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export function tlsAuthority(directory: string): TlsAuthority {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const read = (name: string): Buffer => readFileSync(join(directory, name));
  let count = 0;
  openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test ca',
  );
  return {
    ca: read('ca.pem').toString(),
    issue: (name, { names = `DNS:${name}`, days = 2, usage = 'serverAuth' } = {}) => {
      const at = `s${count++}`;
      const san = names === '' ? '' : `subjectAltName=${names}\n`;
      writeFileSync(join(directory, `${at}.ext`), `${san}extendedKeyUsage=${usage}\n`);
      openssl('req', ...curve, '-keyout', `${at}.key`, '-out', `${at}.csr`, '-subj', `/CN=${name}`);
      openssl(
        ...['x509', '-req', '-in', `${at}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', `${at}.pem`, '-days', `${days}`, '-extfile', `${at}.ext`],
      );
      return { cert: read(`${at}.pem`), key: read(`${at}.key`) };
    },
    alone: (name) => {
      const at = `s${count++}`;
      const names = ['-addext', `subjectAltName=DNS:${name}`];
      openssl(
        'req',
        '-x509',
        ...curve,
        '-keyout',
        `${at}.key`,
        '-out',
        `${at}.pem`,
        '-subj',
        `/CN=${name}`,
        ...names,
      );
      return { cert: read(`${at}.pem`), key: read(`${at}.key`) };
    },
  };
}
