// Evidence (RFC 9334): everything that a verifier is sent, as one JSON document.
import { base64, Fields, malformed, parsed } from './json.ts';
import { maxEventLog } from './event-log.ts';
import { maxImaLog } from './ima-log.ts';
import type { RecordKeyEvidence } from './record-key.ts';
import { maxStatement } from './statement.ts';
import { maxTokenKeys } from './token-keys.ts';
import type { TokenKeyEvidence } from './token-keys.ts';
import { hashNamed, pcrCount } from '../../native-bindings/tpm/wire/mod.ts';

export interface SignedBytes {
  /** TPMS_ATTEST. */
  readonly attest: Buffer;
  /** TPMT_SIGNATURE. */
  readonly signature: Buffer;
}

export interface Evidence {
  readonly type: 'cordon-evidence/1';
  /** TPMT_PUBLIC of the attestation key. */
  readonly ak: Buffer;
  readonly quote: SignedBytes;
  /** Name of the bank's hash: `sha256`. */
  readonly bank: string;
  /** Values by PCR. */
  readonly pcrs: ReadonlyMap<number, Buffer>;
  /** Canonical text: its SHA-256 is the quote's qualifyingData. */
  readonly statement: string;
  /** TPM2_NV_Certify of the rollback counter, with the same qualifyingData. */
  readonly counter?: SignedBytes;
  /** The object that seals the key of the record's checkpoints; missing: that key is a file. */
  readonly recordKey?: RecordKeyEvidence;
  /** Published token keys that are in the TPM. */
  readonly tokenKeys?: readonly TokenKeyEvidence[];
  /** The verifier's own word on this key, from the enrolment: a JWT. */
  readonly enrolment?: string;
  readonly eventLog?: Buffer;
  readonly imaLog?: Buffer;
}

export const maxEvidence = 2 * 1024 * 1024;

const signedJson = ({ attest, signature }: SignedBytes): { attest: string; signature: string } => ({
  attest: attest.toString('base64'),
  signature: signature.toString('base64'),
});

const recordKeyJson = ({ publicArea, creationData, ...signed }: RecordKeyEvidence): object => ({
  ...signedJson(signed),
  publicArea: publicArea.toString('base64'),
  creationData: creationData.toString('base64'),
});

const tokenKeyJson = ({ publicArea, ...signed }: TokenKeyEvidence): object => ({
  ...signedJson(signed),
  publicArea: publicArea.toString('base64'),
});

export function evidenceText(evidence: Evidence): string {
  const { counter, recordKey, tokenKeys, enrolment, eventLog, imaLog } = evidence;
  return JSON.stringify({
    type: evidence.type,
    ak: evidence.ak.toString('base64'),
    quote: signedJson(evidence.quote),
    bank: evidence.bank,
    pcrs: Object.fromEntries([...evidence.pcrs].map(([pcr, value]) => [pcr, value.toString('hex')])),
    statement: evidence.statement,
    ...(counter === undefined ? {} : { counter: signedJson(counter) }),
    ...(recordKey === undefined ? {} : { recordKey: recordKeyJson(recordKey) }),
    ...(tokenKeys === undefined ? {} : { tokenKeys: tokenKeys.map(tokenKeyJson) }),
    ...(enrolment === undefined ? {} : { enrolment }),
    ...(eventLog === undefined ? {} : { eventLog: eventLog.toString('base64') }),
    ...(imaLog === undefined ? {} : { imaLog: imaLog.toString('base64') }),
  });
}

function readSigned(fields: Fields): SignedBytes {
  const result = { attest: fields.bytes('attest'), signature: fields.bytes('signature') };
  fields.end();
  return result;
}

function readRecordKey(fields: Fields): RecordKeyEvidence {
  const [publicArea, creationData] = [fields.bytes('publicArea'), fields.bytes('creationData')];
  return { ...readSigned(fields), publicArea, creationData };
}

function readTokenKey(where: string, value: unknown): TokenKeyEvidence {
  const fields = new Fields(where, value);
  const publicArea = fields.bytes('publicArea');
  return { ...readSigned(fields), publicArea };
}

function readPcrs(fields: Fields): Map<number, Buffer> {
  const all = fields.entries().map(([key, value]): [number, Buffer] => {
    const pcr = Number(key);
    if (!/^(?:0|[1-9]\d?)$/.test(key) || pcr >= pcrCount)
      throw malformed('pcrs', `there is no PCR ${key.slice(0, 9)}`);
    if (typeof value !== 'string' || !/^(?:[0-9a-f]{2}){20,64}$/.test(value))
      throw malformed(`pcrs.${key}`, 'is not a digest');
    return [pcr, Buffer.from(value, 'hex')];
  });
  return new Map(all.sort(([a], [b]) => a - b));
}

/** Throws CordonError. That it is well formed says nothing yet of who made it. */
export function readEvidence(text: string): Evidence {
  if (text.length > maxEvidence) throw malformed('evidence', `is over ${maxEvidence} bytes`);
  const fields = new Fields('evidence', parsed('evidence', text));
  const bank = fields.text('bank', 16);
  if (hashNamed(bank) === undefined) throw malformed('evidence.bank', 'is no hash algorithm');
  const result: Evidence = {
    type: fields.one('type', ['cordon-evidence/1']),
    ak: fields.bytes('ak'),
    quote: readSigned(fields.object('quote')),
    bank,
    pcrs: readPcrs(fields.object('pcrs')),
    statement: fields.text('statement', maxStatement),
    ...(fields.has('counter') ? { counter: readSigned(fields.object('counter')) } : {}),
    ...(fields.has('recordKey') ? { recordKey: readRecordKey(fields.object('recordKey')) } : {}),
    ...(fields.has('tokenKeys') ? { tokenKeys: fields.list('tokenKeys', maxTokenKeys, readTokenKey) } : {}),
    ...(fields.has('enrolment') ? { enrolment: fields.text('enrolment', 16 * 1024) } : {}),
    ...(fields.has('eventLog')
      ? { eventLog: base64('evidence.eventLog', fields.take('eventLog'), maxEventLog) }
      : {}),
    ...(fields.has('imaLog') ? { imaLog: base64('evidence.imaLog', fields.take('imaLog'), maxImaLog) } : {}),
  };
  fields.end();
  return result;
}
