// What every event says of this machine.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname, release } from 'node:os';
import type { HostFacts } from '../ocsf/mod.ts';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
};

/** Value of a line of os-release(5), without its quotes. */
const valueOf = (text: string, name: string): string =>
  new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(text)?.[1] ?? '';

/** The machine id itself stays here: machine-id(5) asks for a keyed hash of it. */
const machineUid = (machineId: string): string =>
  createHmac('sha256', machineId).update('cordon audit log').digest('hex').slice(0, 32);

export function hostFacts(version: string): HostFacts {
  const os = textOf('/etc/os-release');
  return {
    hostname: hostname(),
    uid: machineUid(textOf('/etc/machine-id')),
    os: { name: valueOf(os, 'ID'), version: valueOf(os, 'VERSION_ID'), kernel: release() },
    bootId: textOf('/proc/sys/kernel/random/boot_id'),
    product: { version },
  };
}
