// The chain from an endorsement key's certificate to a root that the administrator named (RFC 5280, section 6, as far as
// such chains go; TCG EK Credential Profile 2.5).
import { X509Certificate } from 'node:crypto';
import type { TpmKind } from '../model/mod.ts';
import { CordonError } from '../model/mod.ts';
import { criticalExtensions } from './der.ts';

export interface Root {
  readonly certificate: X509Certificate;
  /** What a TPM is whose chain ends here. */
  readonly kind: Exclude<TpmKind, 'none'>;
}

export interface Anchors {
  readonly roots: readonly Root[];
  readonly intermediates: readonly X509Certificate[];
}

export interface EkCertificate {
  readonly kind: Exclude<TpmKind, 'none'>;
  /** TCG's vendor id, such as `id:49465800`. */
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** Subjects from the leaf's issuer to the root. */
  readonly path: readonly string[];
  readonly certificate: X509Certificate;
}

const longest = 6;
const ekUsage = '2.23.133.8.1';
/** basicConstraints, keyUsage, subjectAltName, certificatePolicies, authorityKeyIdentifier, extKeyUsage. */
const understood = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.17', '2.5.29.32', '2.5.29.35', '2.5.29.37']);

const refused = (what: string): CordonError => new CordonError('not-permitted', what);

export function readCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch {
    throw new CordonError('protocol', 'a certificate cannot be read');
  }
}

/** All certificates of a PEM text. */
export function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => readCertificate(Buffer.from(block)));
}

function checkOne(certificate: X509Certificate, now: number, issuer: boolean): void {
  const subject = certificate.subject || 'the certificate';
  if (now < certificate.validFromDate.getTime()) throw refused(`${subject} is not valid yet`);
  if (now > certificate.validToDate.getTime()) throw refused(`${subject} has expired`);
  if (issuer && !certificate.ca) throw refused(`${subject} is not a certificate authority`);
  const unknown = criticalExtensions(certificate.raw).find((oid) => !understood.has(oid));
  if (unknown !== undefined) throw refused(`${subject} has a critical extension ${unknown}`);
}

const issued = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

interface Path {
  readonly root: Root;
  readonly path: readonly X509Certificate[];
}

/** Issuers may be cross-signed. Each is looked at once: who sent them may have had all of them sign each other. */
function pathTo(
  leaf: X509Certificate,
  anchors: Anchors,
  others: readonly X509Certificate[],
): Path | undefined {
  const left = new Set(others);
  let ends: readonly (readonly X509Certificate[])[] = [[leaf]];
  for (let depth = 1; depth <= longest; depth++) {
    for (const path of ends) {
      const root = rootOf(path.at(-1) ?? leaf, anchors);
      if (root !== undefined) return { root, path: [...path.slice(1), root.certificate] };
    }
    ends = ends.flatMap((path) => issuersOf(path.at(-1) ?? leaf, left).map((issuer) => [...path, issuer]));
  }
  return undefined;
}

const rootOf = (certificate: X509Certificate, { roots }: Anchors): Root | undefined =>
  roots.find((each) => each.certificate.raw.equals(certificate.raw) || issued(each.certificate, certificate));

/** Takes them out of `left`. */
function issuersOf(certificate: X509Certificate, left: Set<X509Certificate>): X509Certificate[] {
  const found = [...left].filter((each) => !each.raw.equals(certificate.raw) && issued(each, certificate));
  for (const each of found) left.delete(each);
  return found;
}

/** Attributes of the TPM in the certificate's alternative name: as OpenSSL prints that name. */
function attributeOf(certificate: X509Certificate, name: string, oid: string): string {
  const printed = (certificate.subjectAltName ?? '').replaceAll('\\u002c', ',');
  return (
    new RegExp(`(?:${name}|${oid.replaceAll('.', '\\.')})\\s?=\\s?([^,/"+]+)`).exec(printed)?.[1]?.trim() ??
    ''
  );
}

/** Throws CordonError with the reason when `chain[0]` leads to no root. `now` in Unix milliseconds. */
export function ekCertificate(chain: readonly Buffer[], anchors: Anchors, now: number): EkCertificate {
  const [leaf, ...sent] = chain.map(readCertificate);
  if (leaf === undefined) throw refused('the endpoint has no certificate for its endorsement key');
  checkOne(leaf, now, false);
  // Usages are optional in such certificates; one that is for something else is not one of them.
  const usages = (leaf.keyUsage as readonly string[] | undefined) ?? [];
  if (usages.length > 0 && !usages.includes(ekUsage))
    throw refused('the certificate is not for an endorsement key');
  const found = pathTo(leaf, anchors, [...anchors.intermediates, ...sent]);
  if (found === undefined)
    throw refused(`no root that is trusted here issued the certificate (issuer: ${leaf.issuer})`);
  for (const certificate of found.path) checkOne(certificate, now, true);
  return {
    kind: found.root.kind,
    manufacturer: attributeOf(leaf, 'tcg-at-tpmManufacturer', '2.23.133.2.1'),
    model: attributeOf(leaf, 'tcg-at-tpmModel', '2.23.133.2.2'),
    firmware: attributeOf(leaf, 'tcg-at-tpmVersion', '2.23.133.2.3'),
    path: found.path.map(({ subject }) => subject),
    certificate: leaf,
  };
}
