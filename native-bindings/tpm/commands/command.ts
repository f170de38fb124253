// One command: header, handles, authorisations, parameters out; the same in. Sessions are authenticated in both
// directions, and the first parameter is encrypted when asked (Part 1, 16–21).
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ALG,
  CC,
  concat,
  digest,
  empty,
  hmac,
  kdfA,
  put,
  Reader,
  RH,
  ST,
  TpmWireError,
} from '../wire/mod.ts';
import { isTransient, TpmError } from '../response-code.ts';
import type { Transport } from '../transport/transport.ts';

/** What a handle stands for. Objects and NV indices have a Name; everything else is named by its handle. */
export interface Entity {
  readonly handle: number;
  readonly name?: Buffer;
}

/** A session of the TPM's. The nonces roll with every command: one command at a time. */
export interface Session {
  readonly handle: number;
  readonly kind: 'hmac' | 'policy';
  /** Empty: not salted, so nothing can be kept from the bus. */
  readonly key: Buffer;
  nonceTpm: Buffer;
}

export interface Authorisation {
  /** Undefined: a password. */
  readonly session?: Session;
  /** authValue of the entity. */
  readonly value?: Buffer;
}
/** The empty password. */
export const noPassword: Authorisation = {};

export interface Command {
  readonly code: (typeof CC)[keyof typeof CC];
  readonly entities?: readonly Entity[];
  /** For the first entities, in order. */
  readonly authorisations?: readonly Authorisation[];
  readonly parameters?: Buffer;
  readonly returnsHandle?: boolean;
  /** Which first parameter travels encrypted. Needs a salted session among the authorisations. */
  readonly conceal?: 'command' | 'response';
}

export interface Answer {
  readonly handle: number;
  /** At the response's parameters. */
  readonly reader: Reader;
}

const FLAG = { continue: 0x01, decrypt: 0x20, encrypt: 0x40 } as const;
const nonceSize = 16;
const headerSize = 10;
const attempts = 8;

const names = new Map<number, string>(Object.entries(CC).map(([name, code]) => [code, name]));
export const commandName = (code: number): string => names.get(code) ?? `0x${code.toString(16)}`;

const entityName = ({ handle, name }: Entity): Buffer => name ?? put.u32(handle);

/** One authorisation while its command is under way. */
interface Slot {
  readonly session: Session | undefined;
  readonly value: Buffer;
  readonly nonceCaller: Buffer;
  readonly flags: number;
}

/** Of the salted session that hides parameters, if there is one. */
const isKeyed = ({ session }: { readonly session?: Session | undefined }): boolean =>
  session !== undefined && session.key.length > 0;

function slotsOf({ authorisations = [], conceal }: Command): Slot[] {
  const hiding = conceal === undefined ? -1 : authorisations.findIndex(isKeyed);
  if (conceal !== undefined && hiding < 0)
    throw new TpmWireError('parameters can be encrypted under a salted session only');
  const crypt = conceal === 'command' ? FLAG.decrypt : FLAG.encrypt;
  return authorisations.map(({ session, value = empty }, i) => ({
    session,
    value,
    nonceCaller: session === undefined ? empty : randomBytes(nonceSize),
    flags: session === undefined ? 0 : FLAG.continue | (i === hiding ? crypt : 0),
  }));
}

const macKey = ({ session, value }: Slot): Buffer =>
  session?.kind === 'policy' ? session.key : concat(session?.key ?? empty, value);

/** AES-128-CFB over the bytes of the first TPM2B; its size stays readable (Part 1, 21.3). */
function crypt(slot: Slot, outgoing: boolean, newer: Buffer, older: Buffer, parameters: Buffer): Buffer {
  const secret = concat(slot.session?.key ?? empty, slot.value);
  const material = kdfA(ALG.SHA256, secret, 'CFB', newer, older, 256);
  const [key, iv] = [material.subarray(0, 16), material.subarray(16, 32)];
  const cipher = outgoing ? createCipheriv('aes-128-cfb', key, iv) : createDecipheriv('aes-128-cfb', key, iv);
  const end = 2 + new Reader(parameters).u16();
  if (end > parameters.length) throw new TpmWireError('a first parameter longer than the rest');
  return concat(
    parameters.subarray(0, 2),
    cipher.update(parameters.subarray(2, end)),
    parameters.subarray(end),
  );
}

const hidingSlot = (slots: readonly Slot[]): Slot | undefined =>
  slots.find(({ flags }) => (flags & (FLAG.decrypt | FLAG.encrypt)) !== 0);

function authorise(slots: readonly Slot[], cpHash: Buffer): Buffer {
  const hiding = hidingSlot(slots);
  const areas = slots.map((slot, i) => {
    const { session, nonceCaller, flags, value } = slot;
    if (session === undefined) return concat(put.u32(RH.PW), put.sized(empty), put.u8(0), put.sized(value));
    // The first session also vouches for the nonce of the session that encrypts, when that is another.
    const other =
      i === 0 && hiding !== undefined && hiding !== slot ? (hiding.session?.nonceTpm ?? empty) : empty;
    const mac = isKeyed(slot)
      ? hmac(ALG.SHA256, macKey(slot), cpHash, nonceCaller, session.nonceTpm, other, put.u8(flags))
      : empty;
    return concat(put.u32(session.handle), put.sized(nonceCaller), put.u8(flags), put.sized(mac));
  });
  const all = concat(...areas);
  return concat(put.u32(all.length), all);
}

function encode(command: Command, slots: readonly Slot[]): Buffer {
  const { code, entities = [], parameters = empty, conceal } = command;
  const hiding = hidingSlot(slots);
  const sent =
    conceal === 'command' && hiding?.session !== undefined
      ? crypt(hiding, true, hiding.nonceCaller, hiding.session.nonceTpm, parameters)
      : parameters;
  // Only keyed sessions vouch for the command.
  const cpHash = slots.some(isKeyed)
    ? digest(ALG.SHA256, put.u32(code), ...entities.map(entityName), sent)
    : empty;
  const body = concat(
    ...entities.map(({ handle }) => put.u32(handle)),
    ...(slots.length === 0 ? [] : [authorise(slots, cpHash)]),
    sent,
  );
  const tag = slots.length === 0 ? ST.noSessions : ST.sessions;
  return concat(put.u16(tag), put.u32(headerSize + body.length), put.u32(code), body);
}

function checkResponse(slots: readonly Slot[], code: number, reader: Reader, parameters: Buffer): void {
  const rpHash = slots.some(isKeyed) ? digest(ALG.SHA256, put.u32(0), put.u32(code), parameters) : empty;
  for (const slot of slots) {
    const nonce = reader.sized(64);
    const flags = reader.u8();
    const mac = reader.sized(64);
    if (slot.session === undefined) continue;
    slot.session.nonceTpm = nonce;
    if (!isKeyed(slot)) continue;
    const expected = hmac(ALG.SHA256, macKey(slot), rpHash, nonce, slot.nonceCaller, put.u8(flags));
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected))
      throw new TpmWireError(`the response to ${commandName(code)} was changed on its way`);
  }
  reader.end();
}

function decode(command: Command, slots: readonly Slot[], response: Buffer): Answer {
  const reader = new Reader(response);
  const tag = reader.u16();
  if (reader.u32() !== response.length) throw new TpmWireError('a response of another length than it says');
  const code = reader.u32();
  if (code !== 0) throw new TpmError(commandName(command.code), code);
  const handle = command.returnsHandle === true ? reader.u32() : 0;
  if (slots.length === 0) return { handle, reader };
  if (tag !== ST.sessions) throw new TpmWireError('a response without the sessions of its command');
  const parameters = reader.bytes(reader.u32());
  checkResponse(slots, command.code, reader, parameters);
  const hiding = hidingSlot(slots);
  const plain =
    command.conceal === 'response' && hiding?.session !== undefined
      ? crypt(hiding, false, hiding.session.nonceTpm, hiding.nonceCaller, parameters)
      : parameters;
  return { handle, reader: new Reader(plain) };
}

/** Rejects with TpmError, TpmTransportError or TpmWireError. What the TPM asks to repeat is repeated for five seconds. */
export async function execute(transport: Transport, command: Command): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const slots = slotsOf(command);
    try {
      return decode(command, slots, await transport.transceive(encode(command, slots)));
    } catch (error) {
      if (!(error instanceof TpmError) || !isTransient(error.code) || attempt === attempts) throw error;
      await pause(20 * 2 ** attempt);
    }
  }
}
