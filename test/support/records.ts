// Records as a session's supervisor would journal them.
import type { SessionRow } from '../../daemon/audit/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { recordText } from '../../daemon/supervisor/record-text.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';

export function sampleRecord(session: string, seq: number, more: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: `${session}-${seq}`,
    session,
    seq,
    time: 1_700_000_000_000 + seq,
    kind: 'file',
    operation: 'open',
    object: `/home/user/file-${seq}`,
    disposition: seq % 3 === 0 ? 'denied' : 'allowed',
    mode: 'enforce',
    generation: 1,
    layer: 'decision',
    reason: 'a sample',
    ...more,
  };
}

/** As the writer of journals puts it down: from the third on, those that are alike are stored by a template. */
export const sampleFrame = (session: string, seq: number, more: Partial<SessionRecord> = {}): Buffer =>
  encodeJournalFrame(recordText(sampleRecord(session, seq, more)));

export const sampleSession = (session: string): SessionRow => ({
  session,
  uid: 7,
  owner: 7,
  state: 'running',
  started: 1,
  ended: 0,
  allowed: 0,
  denied: 0,
  facts: {
    user: 'u',
    gid: 1,
    home: '/home/u',
    profile: 'p',
    profileVersion: 1,
    mode: 'enforce',
    requestedMode: '',
    workspace: '/w',
    argv: ['true'],
    supervisorPid: 1,
    supervisorStart: '1',
    initPid: 0,
    initStart: '',
    generation: 1,
    layers: [],
    exitCode: 0,
    endReason: '',
    policyDigest: '',
    frozenByAdmin: false,
  },
});
