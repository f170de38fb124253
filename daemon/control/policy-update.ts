// A running session gets its policy anew: a new generation, in force once the supervisor has flushed every cache and
// said so.
import type { CapabilitySet } from '../model/mod.ts';
import type { Daemon } from './daemon.ts';
import type { Session } from './session.ts';

/** Milliseconds the supervisor has to flush and acknowledge. */
const ackDeadline = 10_000;

/** Does nothing for a session whose policy did not change. Rejects when the supervisor did not acknowledge. */
export async function updatePolicy(daemon: Daemon, session: Session): Promise<void> {
  const { facts, link } = session;
  // A profile given as a file is taken once, at launch: the agent may be able to write that file.
  if (facts.profile.startsWith('/') || session.ending) return;
  const next = compiled(daemon, session, facts.generation);
  if (next.policyDigest === facts.policyDigest) {
    session.capabilitySet ??= next;
    return;
  }
  const capabilitySet = { ...next, generation: facts.generation + 1 };
  if (link === undefined) return; // refreshed when its supervisor is back
  await link.askFor('policyUpdate', { capabilitySet: JSON.stringify(capabilitySet) }, 'ack', {
    deadline: ackDeadline,
  });
  session.capabilitySet = capabilitySet;
  session.decider = undefined;
  daemon.sessions.update(session, session.state, {
    generation: capabilitySet.generation,
    policyDigest: capabilitySet.policyDigest,
    profileVersion: capabilitySet.profile.version,
    mode: capabilitySet.mode,
  });
  await daemon.tokens.policyChanged(session);
}

function compiled(daemon: Daemon, { uid, facts }: Session, generation: number): CapabilitySet {
  return daemon.profiles.plan({ ...daemon.planRequestOf(uid, facts), generation }).capabilitySet;
}
