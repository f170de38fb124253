// What the daemon says of itself in a statement.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DaemonFacts } from '../attestation/mod.ts';
import type { SessionStatement } from '../evidence/mod.ts';
import type { Daemon } from './daemon.ts';
import type { Session } from './session.ts';

/** SHA-256 of a program's file; empty when it cannot be read. */
export function imageDigest(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return '';
  }
}

const hexOr = (text: string): string => (/^(?:[0-9a-f]{2})+$/.test(text) ? text : '');
const maxSessions = 200;

function sessionStatement({ id, facts }: Session): SessionStatement {
  const { profile, profileVersion, mode, policyDigest, generation, layers } = facts;
  const named = (effective: boolean): string[] =>
    layers.filter((layer) => layer.effective === effective).map(({ layer }) => layer);
  return {
    id,
    profile,
    profileVersion,
    mode,
    policy: hexOr(policyDigest),
    generation,
    layers: named(true),
    lacking: named(false),
  };
}

/** Whatever runs. While one is being started its layers are not read back yet, and nothing runs in it. */
export const sessionStatements = (sessions: readonly Session[]): SessionStatement[] =>
  sessions
    .filter(({ state, facts }) => state === 'running' || state === 'frozen' || facts.layers.length > 0)
    .slice(0, maxSessions)
    .map(sessionStatement);

/** `images` are those that were there when the daemon started: what it runs, whatever lies there now. */
export function statementFacts(daemon: Daemon, images: DaemonFacts['images'], bootId: string): DaemonFacts {
  const { origin, size, root } = daemon.audit.head();
  const sessions = sessionStatements(daemon.sessions.all);
  return {
    version: daemon.version,
    bootId,
    images,
    policy: daemon.profiles.identity(daemon.settings.defaultProfile),
    generation: Math.max(0, ...sessions.map(({ generation }) => generation)),
    audit: {
      origin,
      size,
      root: Buffer.from(root, 'binary').toString('hex'),
      key: Buffer.from(daemon.keys.signer.publicKey).toString('hex'),
    },
    killEpoch: daemon.launchStop.epoch,
    sessions,
  };
}
