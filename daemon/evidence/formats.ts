// The same quote as other verifiers read it.
import {
  ascending,
  hashLength,
  hashNamed,
  keyObjectOf,
  put,
  readKey,
} from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { Evidence } from './evidence.ts';
import { statementDigest } from './statement.ts';

const perDigestList = 8;
/** TPML_DIGEST in memory: a count, and 8 TPM2B_DIGEST of 2 + 64 bytes. */
const digestListSize = 4 + perDigestList * 66;
/** TPML_PCR_SELECTION in memory: a count, and 16 TPMS_PCR_SELECTION of 8 bytes. */
const selectionSize = 132;

/** The PCR file of tpm2-tools 5 (`tpm2_quote -F serialized`): the C structures as a little-endian machine has them. */
export function serializedPcrs({ bank, pcrs }: Pick<Evidence, 'bank' | 'pcrs'>): Buffer {
  const alg = hashNamed(bank);
  if (alg === undefined) throw new CordonError('protocol', `no bank ${bank}`);
  const chosen = ascending(pcrs.keys());
  const lists = Math.ceil(chosen.length / perDigestList);
  const out = Buffer.alloc(selectionSize + 4 + lists * digestListSize);
  out.writeUInt32LE(1, 0);
  out.writeUInt16LE(alg, 4);
  out.writeUInt8(3, 6);
  for (const pcr of chosen) out.writeUInt8(out.readUInt8(7 + (pcr >> 3)) | (1 << (pcr & 7)), 7 + (pcr >> 3));
  out.writeUInt32LE(lists, selectionSize);
  chosen.forEach((pcr, i) => {
    const list = selectionSize + 4 + Math.floor(i / perDigestList) * digestListSize;
    const at = list + 4 + (i % perDigestList) * 66;
    out.writeUInt32LE((i % perDigestList) + 1, list);
    out.writeUInt16LE(hashLength(alg), at);
    pcrs.get(pcr)?.copy(out, at + 2);
  });
  return out;
}

/** Keylime's quote: `r`, then attest, signature and PCR file in base64, with colons between. */
export function keylimeQuote(evidence: Evidence): string {
  const { attest, signature } = evidence.quote;
  return `r${[attest, signature, serializedPcrs(evidence)].map((part) => part.toString('base64')).join(':')}`;
}

/** Files by name, for `tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -f quote.pcrs -g sha256 -q <digest>`. */
export function quoteFiles(evidence: Evidence): Map<string, string | Buffer> {
  const pem = keyObjectOf(readKey(evidence.ak)).export({ type: 'spki', format: 'pem' });
  return new Map<string, string | Buffer>([
    ['ak.pem', pem],
    ['ak.pub', put.sized(evidence.ak)],
    ['quote.msg', evidence.quote.attest],
    ['quote.sig', evidence.quote.signature],
    ['quote.pcrs', serializedPcrs(evidence)],
    ['quote.keylime', keylimeQuote(evidence)],
    ['qualifying.hex', statementDigest(evidence.statement).toString('hex')],
    ['statement.json', evidence.statement],
    ['eventlog.bin', evidence.eventLog ?? Buffer.alloc(0)],
  ]);
}
