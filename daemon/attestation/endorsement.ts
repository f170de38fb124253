// The endorsement key: the TPM's identity, made from TCG's templates, with the certificate its maker gave it.
import { X509Certificate } from 'node:crypto';
import {
  createPrimary,
  handlesFrom,
  held,
  policySecret,
  readLoaded,
  readNv,
  readNvIndex,
  startSession,
  TpmError,
} from '../../native-bindings/tpm/mod.ts';
import type { Authorisation, Loaded, Transport } from '../../native-bindings/tpm/mod.ts';
import {
  endorsementPolicy,
  keyObjectOf,
  readKey,
  readPublic,
  RH,
  templates,
} from '../../native-bindings/tpm/wire/mod.ts';

interface Kind {
  /** NV index of the certificate (TCG EK Credential Profile 2.5, 2.2.1.4). */
  readonly certificate: number;
  readonly template: Buffer;
}

/** In the order in which they are preferred. */
const kinds: readonly Kind[] = [
  { certificate: 0x01c0000a, template: templates.ekP256 },
  { certificate: 0x01c00016, template: templates.ekP384 },
  { certificate: 0x01c00002, template: templates.ekRsa2048 },
];

export interface Endorsement {
  readonly key: Loaded;
  /** DER; empty: the TPM has none for this key. */
  readonly certificate: Buffer | undefined;
}

const missing = (error: unknown): undefined => {
  if (error instanceof TpmError) return undefined;
  throw error;
};

/** Without what pads the NV area: DER says how long it is. */
function trimmed(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0x3082) return undefined;
  const length = bytes.readUInt16BE(2) + 4;
  return length <= bytes.length ? bytes.subarray(0, length) : undefined;
}

async function certificateAt(transport: Transport, index: number): Promise<Buffer | undefined> {
  const nv = await readNvIndex(transport, index).catch(missing);
  if (nv === undefined) return undefined;
  const bytes = await readNv(transport, nv).catch(missing);
  return bytes === undefined ? undefined : trimmed(bytes);
}

const spki = { type: 'spki', format: 'der' } as const;

/** Whether `der` certifies this key. A certificate that cannot be read certifies none. */
function certifies(der: Buffer, area: Buffer): boolean {
  try {
    return new X509Certificate(der).publicKey.export(spki).equals(keyObjectOf(readKey(area)).export(spki));
  } catch {
    return false;
  }
}

/** Some makers' keys are not those of the templates: they are there as persistent objects. */
async function persistentFor(transport: Transport, der: Buffer): Promise<Loaded | undefined> {
  const handles = await handlesFrom(transport, 0x81010000);
  for (const handle of handles.filter((each) => each >>> 16 === 0x8101)) {
    const key = await readLoaded(transport, handle).catch(missing);
    if (key !== undefined && certifies(der, key.publicArea)) return key;
  }
  return undefined;
}

async function tryKind<T>(
  transport: Transport,
  { certificate, template }: Kind,
  given: Buffer | undefined,
  work: (endorsement: Endorsement) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  const der = given ?? (await certificateAt(transport, certificate));
  if (der === undefined) return undefined;
  const persistent = await persistentFor(transport, der);
  if (persistent !== undefined) return { result: await work({ key: persistent, certificate: der }) };
  const making = createPrimary(transport, RH.ENDORSEMENT, template);
  const made = await making.catch(missing);
  if (made === undefined) return undefined;
  return held(transport, Promise.resolve(made), async (key) =>
    certifies(der, key.publicArea) ? { result: await work({ key, certificate: der }) } : undefined,
  );
}

/**
 * The first endorsement key that has a certificate: from `given` (DER), else the TPM's NV. Without any, the first that
 * can be made, uncertified: a verifier will refuse it, and say why.
 */
export async function withEndorsement<T>(
  transport: Transport,
  given: Buffer | undefined,
  work: (endorsement: Endorsement) => Promise<T>,
): Promise<T> {
  for (const kind of kinds) {
    const found = await tryKind(transport, kind, given, work);
    if (found !== undefined) return found.result;
  }
  const [first] = kinds;
  const template = first?.template ?? templates.ekP256;
  return held(transport, createPrimary(transport, RH.ENDORSEMENT, template), (key) =>
    work({ key, certificate: undefined }),
  );
}

/** Its use: by the policy of the low-range templates, by its empty password for others. Salted to itself either way. */
export function withEndorsementAuthorisation<T>(
  transport: Transport,
  key: Loaded,
  work: (authorisation: Authorisation) => Promise<T>,
): Promise<T> {
  const byPolicy = readPublic(key.publicArea).policy.equals(endorsementPolicy);
  return held(transport, startSession(transport, byPolicy ? 'policy' : 'hmac', key), async (session) => {
    if (byPolicy) await policySecret(transport, session, RH.ENDORSEMENT);
    return work({ session });
  });
}
