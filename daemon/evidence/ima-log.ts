// Linux IMA's binary_runtime_measurements, and its replay into PCR 10. Documentation/security/IMA-templates.rst; written
// by security/integrity/ima/ima_fs.c, in the byte order of the machine: little-endian on those we run on.
import { digest, hashLength } from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';

export interface ImaEntry {
  readonly pcr: number;
  /** SHA-1 of the template data; all zeros marks a violation. */
  readonly templateDigest: Buffer;
  readonly template: string;
  readonly content: Buffer;
}

/** Bytes. A longer list is not sent: see LIMITATIONS. */
export const maxImaLog = 256 * 1024;
const sha1Size = 20;

const broken = (what: string): CordonError => new CordonError('protocol', `IMA log: ${what}`);

export function readImaLog(bytes: Uint8Array): ImaEntry[] {
  if (bytes.length > maxImaLog) throw broken(`over ${maxImaLog} bytes`);
  const log = Buffer.from(bytes);
  let at = 0;
  const take = (count: number): Buffer => {
    if (count > log.length - at) throw broken(`${count} bytes wanted, ${log.length - at} left`);
    at += count;
    return Buffer.from(log.subarray(at - count, at));
  };
  const entries: ImaEntry[] = [];
  while (at < log.length) {
    const pcr = take(4).readUInt32LE();
    const templateDigest = take(sha1Size);
    const template = take(take(4).readUInt32LE()).toString('latin1');
    // The first template, `ima`, has a fixed form without a size; no kernel in support uses it.
    if (template === 'ima') throw broken('the template "ima" is not read');
    entries.push({ pcr, templateDigest, template, content: take(take(4).readUInt32LE()) });
  }
  return entries;
}

/**
 * Values of PCR 10 before the first entry and after each, in a bank whose digests the kernel computes of its own (Linux
 * 5.8 and later). The list grows while a quote is made: one of these is the quoted value.
 */
export function replayIma(entries: readonly ImaEntry[], alg: number): Buffer[] {
  const values: Buffer[] = [Buffer.alloc(hashLength(alg))];
  for (const { templateDigest, content } of entries) {
    const violation = templateDigest.every((byte) => byte === 0);
    const extended = violation ? Buffer.alloc(hashLength(alg), 0xff) : digest(alg, content);
    values.push(digest(alg, values.at(-1) ?? extended, extended));
  }
  return values;
}
