// The logs that explain the PCRs: what firmware measured, and what IMA measures.
import { closeSync, openSync, readSync } from 'node:fs';
import { maxEventLog, maxImaLog } from '../evidence/mod.ts';

export interface LogPlaces {
  readonly eventLog: string;
  readonly imaLog: string;
}

export const usualLogs: LogPlaces = {
  eventLog: '/sys/kernel/security/tpm0/binary_bios_measurements',
  imaLog: '/sys/kernel/security/ima/binary_runtime_measurements',
};

/** Undefined: not there, empty, or longer than can be sent. These files have no size: read to the end. */
function readBounded(path: string, most: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const buffer = Buffer.alloc(most + 1);
    let length = 0;
    for (let count = 1; count > 0 && length <= most; length += count)
      count = readSync(fd, buffer, length, buffer.length - length, null);
    return length === 0 || length > most ? undefined : buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

export const readEventLogFile = ({ eventLog }: LogPlaces): Buffer | undefined =>
  readBounded(eventLog, maxEventLog);
export const readImaLogFile = ({ imaLog }: LogPlaces): Buffer | undefined => readBounded(imaLog, maxImaLog);
