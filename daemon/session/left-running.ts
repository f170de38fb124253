// Processes of a session that are there when its command has ended.
import { procfs } from '../../native-bindings/linux/mod.ts';
import { toBytes, toText } from '../model/mod.ts';
import type { Sandbox } from './sandbox.ts';

/** `pid name`, without ours and without those that are dead already. */
export function leftRunning({ cgroup, preparedOrThrow }: Sandbox): string[] {
  const ours = new Set([process.pid, preparedOrThrow.initPid]);
  return cgroup.members().flatMap((pid) => {
    const gone = ours.has(pid) || procfs.processState(pid) === 'Z';
    const name = gone ? '' : procfs.readProc(`/proc/${pid}/comm`).trimEnd();
    return name === '' ? [] : [`${pid} ${toText(toBytes(name))}`];
  });
}
