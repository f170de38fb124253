// Every probe, in the order in which `cordon doctor` prints them.
import { confinementProbes } from './confinement.ts';
import { fanotifyProbes } from './fanotify.ts';
import { machineProbes } from './machine.ts';
import { namespaceProbes } from './namespaces.ts';
import type { Probe } from './probe.ts';
import { processProbes } from './processes.ts';

export const probes: readonly Probe[] = [
  ...machineProbes,
  ...namespaceProbes,
  ...confinementProbes,
  ...fanotifyProbes,
  ...processProbes,
];
