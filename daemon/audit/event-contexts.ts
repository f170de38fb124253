// What every event of a session says beside its record: made once a session, kept while it is looked at.
import type { EventContext, HostFacts } from '../ocsf/mod.ts';
import type { Registry, SessionRow } from './registry.ts';

const most = 64;

export class EventContexts {
  readonly #registry: Registry;
  readonly #host: HostFacts;
  readonly #own: EventContext;
  readonly #known = new Map<string, EventContext>();

  constructor(registry: Registry, host: HostFacts) {
    this.#registry = registry;
    this.#host = host;
    this.#own = { host };
    // What a session's events say of its policy changes with it.
    registry.onUpdate((session) => void this.#known.delete(session));
  }

  /** Of what is about `subject`: a session, or the daemon itself. */
  of(subject: string): EventContext {
    return this.#known.get(subject) ?? this.#make(subject);
  }

  #make(subject: string): EventContext {
    const row = this.#registry.get(subject);
    if (row === undefined) return this.#own;
    const oldest = this.#known.keys().next().value;
    if (this.#known.size >= most && oldest !== undefined) this.#known.delete(oldest);
    const made = { host: this.#host, session: sessionContext(row) };
    this.#known.set(subject, made);
    return made;
  }
}

function sessionContext({ session, uid, facts }: SessionRow): NonNullable<EventContext['session']> {
  const { user, argv, agentVersion = '', profile, profileVersion, policyDigest, workspace } = facts;
  const name = argv[0]?.split('/').at(-1) ?? '';
  return {
    session,
    user,
    uid,
    agent: { name, command: argv, ...(agentVersion === '' ? {} : { version: agentVersion }) },
    profile,
    profileVersion,
    policyDigest,
    workspace,
  };
}
