// Chains of certificates that a stranger sends: how much work they make before they are refused. Made by openssl(1).
import t from 'tap';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ekCertificate } from '../../daemon/verifier/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Authorities of one name and one key: each has issued each of the others, and itself. */
function alike(t: Test, count: number): X509Certificate[] {
  const directory = temporaryDirectory(t);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'key');
  return Array.from({ length: count }, (_, i) => {
    const serial = String(i + 1);
    const as = ['-key', 'key', '-subj', '/CN=alike', '-days', '2', '-set_serial', serial, '-out', serial];
    openssl('req', '-x509', ...as);
    return new X509Certificate(readFileSync(join(directory, serial)));
  });
}

t.test('authorities that have all signed each other are each looked at once', (t) => {
  const [leaf, ...others] = alike(t, 6) as [X509Certificate, ...X509Certificate[]];
  const [root] = alike(t, 1) as [X509Certificate];
  let verifications = 0;
  for (const issuer of others) {
    const { publicKey } = issuer;
    const counted = (): typeof publicKey => {
      verifications += 1;
      return publicKey;
    };
    Object.defineProperty(issuer, 'publicKey', { get: counted });
  }
  const anchors = { roots: [{ certificate: root, kind: 'hardware' as const }], intermediates: others };
  t.throws(() => ekCertificate([leaf.raw], anchors, Date.now()), {
    code: 'not-permitted',
    message: /no root/,
  });
  t.ok(verifications > 0 && verifications <= 15, `${verifications} signatures were verified`);
  const known = {
    roots: [{ certificate: others.at(-1) ?? leaf, kind: 'hardware' as const }],
    intermediates: others,
  };
  t.equal(ekCertificate([leaf.raw], known, Date.now()).kind, 'hardware', 'and one that is trusted is found');
  t.end();
});
