// What a supervisor is told of a launch, and what policy is asked for one. The same words serve a launch that is only
// likely: then there is no command yet.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Launch } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import { inheritedFrom } from './inherited.ts';
import type { Actor } from './peer.ts';
import type { PlanRequest } from './profiles.ts';
import type { CheckedRun } from './run-request.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
/** Eight characters, 40 random bits: short enough to type, and not to be guessed. */
export const newSessionId = (): string => [...randomBytes(8)].map((byte) => alphabet[byte & 31]).join('');

/** A new id with the directories for its sockets. */
export function makeSessionDirectories({ paths }: Daemon): string {
  const id = newSessionId();
  mkdirSync(paths.session(id), { mode: 0o711 });
  mkdirSync(`${paths.session(id)}/agent`, { mode: 0o755 });
  return id;
}

export function planRequest(
  daemon: Daemon,
  actor: Actor,
  { account, profile, workspace, mode }: CheckedRun,
): PlanRequest {
  return {
    profile,
    user: account.name,
    uid: account.uid,
    home: daemon.homeOf(account),
    workspace,
    ...(mode === undefined ? {} : { mode }),
    generation: 1,
    trusted: actor.admin,
  };
}

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

/** All but the plan. */
export function launchBody(daemon: Daemon, actor: Actor, run: CheckedRun, id: string): Partial<Launch> {
  return {
    session: id,
    uid: run.account.uid,
    gid: run.account.gid,
    user: run.account.name,
    home: bytes(daemon.homeOf(run.account)),
    workspace: bytes(run.workspace),
    cwd: bytes(run.cwd),
    argv: run.argv,
    environment: run.environment,
    tty: run.tty,
    rows: run.rows,
    columns: run.columns,
    journalPath: daemon.paths.journal(id),
    attachPath: daemon.paths.attachSocket(id),
    agentSocketPath: daemon.paths.agentSocket(id),
    clientUid: actor.uid,
    ...inheritedFrom(actor.pid),
    upstream: daemon.settings.upstream,
    hosts: JSON.stringify(daemon.settings.hosts),
  };
}
