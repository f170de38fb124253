// Where things are. Nothing else puts these names together.
import { join } from 'node:path';

export interface Paths {
  readonly runDir: string;
  readonly stateDir: string;
  readonly adminSocket: string;
  readonly supervisorSocket: string;
  readonly runLock: string;
  readonly stateLock: string;
  readonly database: string;
  /** Keys as files, and all of them sealed. */
  readonly recordKey: string;
  readonly redactionKey: string;
  readonly tokenKeys: string;
  readonly vault: string;
  readonly journals: string;
  readonly sessions: string;
  readonly supervisorLog: string;
  readonly uploaderLog: string;
  /** Directory of a session's sockets. */
  session(id: string): string;
  attachSocket(id: string): string;
  /** In a directory of its own, which a sandbox can have as a whole: the socket in it may be made anew. */
  agentSocket(id: string): string;
  journal(id: string): string;
}

export function pathsOf(runDir: string, stateDir: string): Paths {
  const sessions = join(runDir, 'sessions');
  const journals = join(stateDir, 'journal');
  return {
    runDir,
    stateDir,
    adminSocket: join(runDir, 'admin.sock'),
    supervisorSocket: join(runDir, 'supervisor.sock'),
    runLock: join(runDir, 'cordond.lock'),
    stateLock: join(stateDir, 'cordond.lock'),
    database: join(stateDir, 'cordon.db'),
    recordKey: join(stateDir, 'cordon.db.key'),
    redactionKey: join(stateDir, 'cordon.db.redaction-key'),
    tokenKeys: join(stateDir, 'tokens', 'keys.json'),
    vault: join(stateDir, 'keys', 'sealed.json'),
    journals,
    sessions,
    supervisorLog: join(stateDir, 'log', 'supervisor.log'),
    uploaderLog: join(stateDir, 'log', 'uploader.log'),
    session: (id) => join(sessions, id),
    attachSocket: (id) => join(sessions, id, 'attach.sock'),
    agentSocket: (id) => join(sessions, id, 'agent', 'agent.sock'),
    journal: (id) => join(journals, `${id}.journal`),
  };
}
