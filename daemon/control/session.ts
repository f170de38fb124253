// One live session as the daemon holds it: what the registry has, and the descriptors that must outlive any doubt
// about its processes. Owned by Sessions; descriptors are closed once, by `release`.
import { closeSync } from 'node:fs';
import type { SessionFacts, SessionRow, SessionState } from '../audit/mod.ts';
import type { CapabilitySet, Decider } from '../model/mod.ts';
import type { Connection } from '../wire/mod.ts';
import type { Listening } from './server.ts';

export class Session {
  readonly id: string;
  readonly uid: number;
  readonly owner: number;
  readonly started: number;
  state: SessionState;
  ended = 0;
  facts: SessionFacts;
  /** Undefined while the supervisor is away. */
  link: Connection | undefined;
  supervisorPidfd: number | undefined;
  initPidfd: number | undefined;
  /** Keeps opens blocked, not allowed, should the supervisor die. Closed only when the sandbox is dead. */
  fanotifyFd: number | undefined;
  agents: Listening | undefined;
  capabilitySet: CapabilitySet | undefined;
  /** Made when an agent first asks; of `capabilitySet`. */
  decider: Decider | undefined;
  /** The change of policy that is under way; the next begins after it. Never rejects. */
  refreshed: Promise<void> = Promise.resolve();
  /** Its supervisor is gone, though its connection is open: a look has found that already. */
  seenGone = false;
  /** True from the moment its end has begun to be handled. */
  ending = false;

  constructor(row: SessionRow) {
    this.id = row.session;
    this.uid = row.uid;
    this.owner = row.owner;
    this.started = row.started;
    this.state = row.state;
    this.facts = row.facts;
  }

  /** After the sandbox is dead. */
  release(): void {
    this.agents?.close();
    this.link?.close();
    for (const fd of [this.fanotifyFd, this.initPidfd, this.supervisorPidfd])
      if (fd !== undefined) closeSync(fd);
    this.agents = this.link = this.fanotifyFd = this.initPidfd = this.supervisorPidfd = undefined;
  }
}
