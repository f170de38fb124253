// The certificates that egress verifies servers by. Read here: egress opens no file, and a grant may come with a change of
// policy, long after egress has locked itself up. Only certificates are passed on, whatever else is in a file.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { CapabilitySet } from '../model/mod.ts';

/** Where systems keep the authorities that they trust: Debian, Red Hat, SUSE, Alpine. The first one there counts. */
const bundles: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
/** Bytes. */
const largest = 4 * 1024 * 1024;
const maxFiles = 64;

/** File → PEM for every grant that is carried on over TLS; `''`: of this machine. Empty text where nothing could be read. */
export function authoritiesOf({ network }: CapabilitySet): Record<string, string> {
  const files = new Set(
    network.flatMap(({ upstream }) => (upstream?.protocol === 'tls' ? [upstream.ca ?? ''] : [])),
  );
  return Object.fromEntries(
    [...files].slice(0, maxFiles).map((file) => [file, file === '' ? ofMachine() : certificatesIn(file)]),
  );
}

const ofMachine = (): string => bundles.map(certificatesIn).find((pem) => pem !== '') ?? '';

const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** A profile names the file, and root reads it: regular files alone, and no waiting for a pipe. */
function certificatesIn(file: string): string {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Egress refuses what it cannot verify, and says which file it was.
    return '';
  }
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile() || facts.size > largest) return '';
    return (readFileSync(fd, 'latin1').match(certificate) ?? []).join('\n');
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}
