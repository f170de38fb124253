// What a verifier expects: reference values (RFC 9334), as an administrator writes them down. A missing one is not
// checked, and the result says so.
import { hashNamed } from '../../native-bindings/tpm/wire/mod.ts';
import { defaultPcrs, Fields, malformed } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';

/** What every running session must be. Empty lists and undefined: not looked at. */
export interface SessionExpectations {
  readonly mode: string | undefined;
  /** In force, as they were read back. */
  readonly layers: readonly string[];
  /** Digests of policies: lowercase hexadecimal SHA-256. */
  readonly policies: readonly string[];
  /** Layers that a profile may allow to lack; undefined: any. */
  readonly mayLack: readonly string[] | undefined;
}

export interface Expectations {
  readonly bank: string;
  /** Exactly these are quoted, and IMA's where there is IMA. */
  readonly pcrs: readonly number[];
  /** Values that are fine, by PCR. */
  readonly pcrValues: ReadonlyMap<number, readonly string[]>;
  readonly images: { readonly daemon: readonly string[]; readonly supervisor: readonly string[] };
  readonly policyDigests: readonly string[];
  /** Layers that every running session must have. */
  readonly layers: readonly string[];
  readonly sessions: SessionExpectations;
  readonly minimumAuditSize: number;
  readonly minimumKillEpoch: number;
  /** Steps of the rollback counter that may be unaccounted for. */
  readonly maximumLost: number;
  readonly allowSoftware: boolean;
  readonly requireEventLog: boolean;
  /** The key of the record's checkpoints must be sealed by the TPM; to these PCRs at least. */
  readonly requireSealedKey: boolean;
  readonly sealedPcrs: readonly number[];
  /** A token key must be shown to be in the TPM. */
  readonly requireTokenKeys: boolean;
  /** Attestation keys (Names, hexadecimal) that are trusted without an enrolment, and what TPM they are in. */
  readonly pinned: ReadonlyMap<string, 'hardware' | 'software'>;
}

export const noExpectations: Expectations = {
  bank: 'sha256',
  pcrs: defaultPcrs,
  pcrValues: new Map(),
  images: { daemon: [], supervisor: [] },
  policyDigests: [],
  layers: [],
  sessions: { mode: undefined, layers: [], policies: [], mayLack: undefined },
  minimumAuditSize: 0,
  minimumKillEpoch: 0,
  maximumLost: 0,
  allowSoftware: false,
  requireEventLog: false,
  requireSealedKey: false,
  sealedPcrs: [],
  requireTokenKeys: false,
  pinned: new Map(),
};

const most = 256;

function digestText(where: string, value: unknown): string {
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2}){20,64}$/.test(value))
    throw malformed(where, 'is not a digest in lowercase hexadecimal');
  return value;
}
function pcrNumber(where: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 23)
    throw malformed(where, 'is not a PCR');
  return value;
}
function shortText(where: string, value: unknown): string {
  if (typeof value !== 'string' || value.length > 100) throw malformed(where, 'is not text');
  return value;
}

function readValues(fields: Fields): Map<number, string[]> {
  return new Map(
    fields.entries().map(([key, value]) => {
      const where = `pcr-values.${key.slice(0, 9)}`;
      if (!Array.isArray(value)) throw malformed(where, 'is not a list');
      return [pcrNumber(where, Number(key)), value.map((each: unknown) => digestText(where, each))];
    }),
  );
}

function readImages(fields: Fields): Expectations['images'] {
  const images = {
    daemon: fields.has('daemon') ? fields.list('daemon', most, digestText) : [],
    supervisor: fields.has('supervisor') ? fields.list('supervisor', most, digestText) : [],
  };
  fields.end();
  return images;
}

function readSessions(fields: Fields): SessionExpectations {
  const sessions = {
    mode: fields.has('mode') ? fields.one('mode', ['enforce', 'monitor']) : undefined,
    layers: fields.has('layers') ? fields.list('layers', 64, shortText) : [],
    policies: fields.has('policy-digests') ? fields.list('policy-digests', most, digestText) : [],
    mayLack: fields.has('may-lack') ? fields.list('may-lack', 64, shortText) : undefined,
  };
  fields.end();
  return sessions;
}

function readPinned(fields: Fields): Expectations['pinned'] {
  return new Map(
    fields.entries().map(([name, kind]) => {
      if (!/^(?:[0-9a-f]{2}){22,66}$/.test(name)) throw malformed('trusted-keys', 'is not the Name of a key');
      if (kind !== 'hardware' && kind !== 'software')
        throw malformed(`trusted-keys.${name}`, 'is neither hardware nor software');
      return [name, kind];
    }),
  );
}

/** From the text of a file. Unknown keys are errors. */
export function readExpectations(text: string): Expectations {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CordonError('config-invalid', 'the reference values are not JSON', { cause });
  }
  const fields = new Fields('reference', value);
  const or = <T>(key: string, read: () => T, fallback: T): T => (fields.has(key) ? read() : fallback);
  const bank = or('bank', () => fields.text('bank', 16), noExpectations.bank);
  if (hashNamed(bank) === undefined || bank === 'sha1')
    throw malformed('reference.bank', 'is no bank that proves something');
  const pcrs = or('pcrs', () => fields.list('pcrs', 24, pcrNumber), noExpectations.pcrs);
  if (pcrs.length === 0) throw malformed('reference.pcrs', 'names none: a quote over nothing proves nothing');
  const result: Expectations = {
    bank,
    pcrs,
    pcrValues: or('pcr-values', () => readValues(fields.object('pcr-values')), noExpectations.pcrValues),
    images: or('images', () => readImages(fields.object('images')), noExpectations.images),
    policyDigests: or('policy-digests', () => fields.list('policy-digests', most, digestText), []),
    layers: or('layers', () => fields.list('layers', 64, shortText), []),
    sessions: or('sessions', () => readSessions(fields.object('sessions')), noExpectations.sessions),
    minimumAuditSize: or('minimum-audit-size', () => fields.whole('minimum-audit-size'), 0),
    minimumKillEpoch: or('minimum-kill-epoch', () => fields.whole('minimum-kill-epoch'), 0),
    maximumLost: or('maximum-lost', () => fields.whole('maximum-lost'), noExpectations.maximumLost),
    allowSoftware: or('allow-software', () => fields.flag('allow-software'), false),
    requireEventLog: or('require-event-log', () => fields.flag('require-event-log'), false),
    requireSealedKey: or('require-sealed-key', () => fields.flag('require-sealed-key'), false),
    sealedPcrs: or('sealed-pcrs', () => fields.list('sealed-pcrs', 24, pcrNumber), []),
    requireTokenKeys: or('require-token-keys', () => fields.flag('require-token-keys'), false),
    pinned: or('trusted-keys', () => readPinned(fields.object('trusted-keys')), noExpectations.pinned),
  };
  fields.end();
  return result;
}
