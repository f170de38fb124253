// Records as a session's supervisor would journal them.
import type { SessionRecord } from '../../daemon/model/mod.ts';

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
