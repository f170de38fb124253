import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';

/** Totals are those of the machine: they name nobody. */
export const status: AdminHandler<'status'> = ({ daemon, actor }) => {
  const { records, denied } = daemon.audit.spool.totals();
  const stop = daemon.launchStop.engaged('all') ?? daemon.launchStop.engaged(actor.uid);
  const { rss, heapUsed } = process.memoryUsage();
  return message('statusAnswer', {
    version: daemon.version,
    pid: process.pid,
    started: daemon.started,
    sessions: daemon.sessions.all.length,
    killed: stop !== undefined,
    records,
    denied,
    json: JSON.stringify({
      launchStop: stop ?? null,
      pool: { ...daemon.pool.counts, ...daemon.foresight.counts },
      policyProblem: daemon.policyProblem ?? null,
      memory: { rss, heapUsed },
      runDir: daemon.settings.runDir,
      stateDir: daemon.settings.stateDir,
      profileDirs: daemon.settings.profileDirs,
      defaultProfile: daemon.settings.defaultProfile,
      adminGroup: daemon.settings.adminGroup,
      attestation: { ...daemon.attestation.state, result: undefined },
      keys: daemon.attestation.keys,
      sealing: daemon.sealing,
    }),
  });
};
