// Runs once through what the main thread does from a launch to its end, with ourselves as the client, while nobody waits:
// the code is compiled then. Nothing is started, recorded or said to anybody else.
import { closeSync, openSync } from 'node:fs';
import type { NewRecord } from '../model/mod.ts';
import { JournalWriter, SHARED } from '../supervisor/mod.ts';
import { connect } from '../wire/mod.ts';
import { AttachSocket } from './attach.ts';
import { buildEnvironment } from './environment.ts';

const record: NewRecord = {
  kind: 'session',
  operation: 'rehearsal',
  object: '',
  disposition: 'observed',
  layer: 'daemon',
  reason: '',
};

/** `path`: of a socket that is made and removed; in a directory of ours. */
export async function rehearseAttach(path: string): Promise<void> {
  const { promise: attached, resolve } = Promise.withResolvers<undefined>();
  const socket = new AttachSocket({
    path,
    uid: 0,
    isOpen: () => true,
    onAttach: ({ stdio }) => {
      for (const fd of new Set(stdio)) closeSync(fd);
      resolve(undefined);
    },
    onRefused: () => resolve(undefined),
    onSignal: () => undefined,
  });
  await socket.listen();
  const client = await connect(path);
  client.notify('attach', { tty: false });
  await attached;
  await socket.exit({ code: 0, signal: '', reason: '', denied: 0, blocks: [] });
}

export function rehearseRecords(): void {
  const shared = new SharedArrayBuffer(8 * SHARED.words);
  const fd = openSync('/dev/null', 'a');
  const journal = new JournalWriter({ fd, session: 'rehearsal', shared }, 'enforce', 0);
  journal.append(record);
  journal.appendAll([record, record]);
  closeSync(fd);
  buildEnvironment({ pass: ['A', 'B*'], set: {} }, ['A=1', 'B2=3'], { user: '', home: '/', uid: 1 });
}
