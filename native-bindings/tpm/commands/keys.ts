// Keys and sealed data: made, loaded, certified, given up.
import { ALG, CC, concat, empty, nameOf, put, readPublic, RH, writeSelection } from '../wire/mod.ts';
import type { Credential, PcrSelection } from '../wire/mod.ts';
import type { Transport } from '../transport/transport.ts';
import { execute, noPassword } from './command.ts';
import type { Authorisation, Entity } from './command.ts';

/** An object in the TPM. */
export interface Loaded extends Entity {
  readonly name: Buffer;
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer;
}

/** An object outside: only its parent in the same TPM can load it. */
export interface Wrapped {
  readonly privateArea: Buffer;
  readonly publicArea: Buffer;
}

/** TPM2B_SENSITIVE_CREATE: no authValue, and data to seal, if any. */
const sensitive = (data: Uint8Array): Buffer => put.sized(concat(put.sized(empty), put.sized(data)));
const noSelection = put.u32(0);

export async function createPrimary(
  transport: Transport,
  hierarchy: number,
  template: Buffer,
  authorisation: Authorisation = noPassword,
): Promise<Loaded> {
  const { handle, reader } = await execute(transport, {
    code: CC.CreatePrimary,
    entities: [{ handle: hierarchy }],
    authorisations: [authorisation],
    parameters: concat(sensitive(empty), put.sized(template), put.sized(empty), noSelection),
    returnsHandle: true,
  });
  const publicArea = reader.sized();
  return { handle, publicArea, name: nameOf(readPublic(publicArea)) };
}

export interface CreateOptions {
  readonly authorisation?: Authorisation;
  /** To seal. */
  readonly data?: Uint8Array;
  /** What the creation data shall say for good: at most a digest. */
  readonly outsideInfo?: Uint8Array;
  readonly creationPcrs?: PcrSelection;
}

export interface Created extends Wrapped {
  /** TPMS_CREATION_DATA. */
  readonly creationData: Buffer;
  /** TPMT_TK_CREATION: the TPM's own word that it created the object from these data. */
  readonly ticket: Buffer;
}

/** With a salted session the sealed data do not show on the bus. */
export async function create(
  transport: Transport,
  parent: Entity,
  template: Buffer,
  { authorisation = noPassword, data = empty, outsideInfo = empty, creationPcrs }: CreateOptions = {},
): Promise<Created> {
  const concealed = authorisation.session !== undefined && authorisation.session.key.length > 0;
  const selection = creationPcrs === undefined ? noSelection : writeSelection([creationPcrs]);
  const { reader } = await execute(transport, {
    code: CC.Create,
    entities: [parent],
    authorisations: [authorisation],
    parameters: concat(sensitive(data), put.sized(template), put.sized(outsideInfo), selection),
    ...(concealed ? { conceal: 'command' as const } : {}),
  });
  const [privateArea, publicArea, creationData] = [reader.sized(), reader.sized(), reader.sized()];
  reader.sized(64); // its digest, which anybody can work out
  return { privateArea, publicArea, creationData, ticket: reader.rest() };
}

export async function load(
  transport: Transport,
  parent: Entity,
  { privateArea, publicArea }: Wrapped,
  authorisation: Authorisation = noPassword,
): Promise<Loaded> {
  const { handle } = await execute(transport, {
    code: CC.Load,
    entities: [parent],
    authorisations: [authorisation],
    parameters: concat(put.sized(privateArea), put.sized(publicArea)),
    returnsHandle: true,
  });
  return { handle, publicArea, name: nameOf(readPublic(publicArea)) };
}

/** Of an object that is loaded or persistent. */
export async function readLoaded(transport: Transport, handle: number): Promise<Loaded> {
  const { reader } = await execute(transport, { code: CC.ReadPublic, entities: [{ handle }] });
  const publicArea = reader.sized();
  return { handle, publicArea, name: nameOf(readPublic(publicArea)) };
}

export async function flush(transport: Transport, handle: number): Promise<void> {
  await execute(transport, { code: CC.FlushContext, parameters: put.u32(handle) });
}

/** Gives the object or session up whatever happens. After a failure of the TPM there may be nothing left to give up. */
export async function held<E extends Entity, T>(
  transport: Transport,
  making: Promise<E>,
  work: (entity: E) => Promise<T>,
): Promise<T> {
  const entity = await making;
  try {
    return await work(entity);
  } finally {
    await flush(transport, entity.handle).catch(() => undefined);
  }
}

export interface Signed {
  /** TPMS_ATTEST. */
  readonly attest: Buffer;
  /** TPMT_SIGNATURE. */
  readonly signature: Buffer;
}

/** The scheme is the key's own. */
const ownScheme = put.u16(ALG.NULL);

/** `qualifying` is at most 32 bytes: real TPMs refuse more. */
export async function quote(
  transport: Transport,
  key: Entity,
  qualifying: Uint8Array,
  selection: PcrSelection,
): Promise<Signed> {
  const { reader } = await execute(transport, {
    code: CC.Quote,
    entities: [key],
    authorisations: [noPassword],
    parameters: concat(put.sized(qualifying), ownScheme, writeSelection([selection])),
  });
  return { attest: reader.sized(), signature: reader.rest() };
}

/** `key` says that `object` is in the same TPM, and what it is. */
export async function certify(
  transport: Transport,
  object: Entity,
  key: Entity,
  qualifying: Uint8Array,
): Promise<Signed> {
  const { reader } = await execute(transport, {
    code: CC.Certify,
    entities: [object, key],
    authorisations: [noPassword, noPassword],
    parameters: concat(put.sized(qualifying), ownScheme),
  });
  return { attest: reader.sized(), signature: reader.rest() };
}

/** `key` says that the TPM itself created `object`, from creation data with this digest. No right to `object` is needed. */
export async function certifyCreation(
  transport: Transport,
  key: Entity,
  object: Entity,
  qualifying: Uint8Array,
  { creationHash, ticket }: { readonly creationHash: Uint8Array; readonly ticket: Uint8Array },
): Promise<Signed> {
  const { reader } = await execute(transport, {
    code: CC.CertifyCreation,
    entities: [key, object],
    authorisations: [noPassword],
    parameters: concat(put.sized(qualifying), put.sized(creationHash), ownScheme, ticket),
  });
  return { attest: reader.sized(), signature: reader.rest() };
}

/** TPMT_SIGNATURE over a digest of ours. A restricted key refuses. */
export async function signDigest(transport: Transport, key: Entity, sha256: Uint8Array): Promise<Buffer> {
  const hashCheck = 0x8024;
  const ticket = concat(put.u16(hashCheck), put.u32(RH.NULL), put.sized(empty));
  const { reader } = await execute(transport, {
    code: CC.Sign,
    entities: [key],
    authorisations: [noPassword],
    parameters: concat(put.sized(sha256), ownScheme, ticket),
  });
  return reader.rest();
}

/** The secret of a credential made for `key` (its Name) and `endorsement`. */
export async function activateCredential(
  transport: Transport,
  key: Entity,
  endorsement: Entity,
  authorisation: Authorisation,
  { idObject, encryptedSecret }: Credential,
): Promise<Buffer> {
  const concealed = authorisation.session !== undefined && authorisation.session.key.length > 0;
  const { reader } = await execute(transport, {
    code: CC.ActivateCredential,
    entities: [key, endorsement],
    authorisations: [noPassword, authorisation],
    parameters: concat(put.sized(idObject), put.sized(encryptedSecret)),
    ...(concealed ? { conceal: 'response' as const } : {}),
  });
  return reader.sized();
}

export async function unseal(
  transport: Transport,
  object: Entity,
  authorisation: Authorisation,
): Promise<Buffer> {
  const concealed = authorisation.session !== undefined && authorisation.session.key.length > 0;
  const { reader } = await execute(transport, {
    code: CC.Unseal,
    entities: [object],
    authorisations: [authorisation],
    ...(concealed ? { conceal: 'response' as const } : {}),
  });
  return reader.sized();
}
