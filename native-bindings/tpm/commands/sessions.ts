// Sessions: salted to a key of the TPM's, so that who listens on the bus, or answers in the TPM's place, gains nothing.
import { randomBytes } from 'node:crypto';
import { ALG, CC, concat, empty, kdfA, put, readKey, RH, secretFor, writeSelection } from '../wire/mod.ts';
import type { PcrSelection } from '../wire/mod.ts';
import type { Transport } from '../transport/transport.ts';
import { execute, noPassword } from './command.ts';
import type { Authorisation, Session } from './command.ts';
import type { Loaded } from './keys.ts';

const nonceSize = 32;
const kinds = { hmac: 0x00, policy: 0x01 } as const;
const aes128cfb = concat(put.u16(ALG.AES), put.u16(128), put.u16(ALG.CFB));

/** `saltKey` is a storage key whose public area the caller knows to be the TPM's. Flush the session: see `held`. */
export async function startSession(
  transport: Transport,
  kind: Session['kind'],
  saltKey?: Loaded,
): Promise<Session> {
  const nonceCaller = randomBytes(nonceSize);
  const salt = saltKey === undefined ? undefined : secretFor(readKey(saltKey.publicArea), 'SECRET');
  const { handle, reader } = await execute(transport, {
    code: CC.StartAuthSession,
    entities: [{ handle: saltKey?.handle ?? RH.NULL }, { handle: RH.NULL }],
    parameters: concat(
      put.sized(nonceCaller),
      put.sized(salt?.encrypted ?? empty),
      put.u8(kinds[kind]),
      salt === undefined ? put.u16(ALG.NULL) : aes128cfb,
      put.u16(ALG.SHA256),
    ),
    returnsHandle: true,
  });
  const nonceTpm = reader.sized(64);
  const key = salt === undefined ? empty : kdfA(ALG.SHA256, salt.secret, 'ATH', nonceTpm, nonceCaller, 256);
  return { handle, kind, key, nonceTpm };
}

/** Satisfies PolicySecret with the authorisation of a hierarchy. */
export async function policySecret(
  transport: Transport,
  session: Session,
  hierarchy: number,
  authorisation: Authorisation = noPassword,
): Promise<void> {
  await execute(transport, {
    code: CC.PolicySecret,
    entities: [{ handle: hierarchy }, { handle: session.handle }],
    authorisations: [authorisation],
    parameters: concat(put.sized(empty), put.sized(empty), put.sized(empty), put.u32(0)),
  });
}

/** Binds the session to the values that the PCRs have now. */
export async function policyPcr(
  transport: Transport,
  session: Session,
  selection: PcrSelection,
): Promise<void> {
  await execute(transport, {
    code: CC.PolicyPCR,
    entities: [{ handle: session.handle }],
    parameters: concat(put.sized(empty), writeSelection([selection])),
  });
}

export async function policyDigest(transport: Transport, session: Session): Promise<Buffer> {
  const { reader } = await execute(transport, {
    code: CC.PolicyGetDigest,
    entities: [{ handle: session.handle }],
  });
  return reader.sized(64);
}
