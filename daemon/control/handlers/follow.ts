// What a follower is shown as it comes in. One that reads slower than that is not held a queue: it gets the rest out of
// the log, when it has room, and goes on from there. Its lag is its own; memory and the others do not feel it.
import type { KeptRecord, RecordsQuery, Spool } from '../../audit/mod.ts';
import type { Reply } from '../table.ts';
import { pageSize, readOrLeave, sendRecords } from './pages.ts';

export interface Following {
  readonly spool: Spool;
  /** Whether this record is for this reader. */
  readonly wanted: (record: KeptRecord) => boolean;
  /** The same, as a question to the log: asked anew each time, for sessions begin. */
  readonly query: () => Omit<RecordsQuery, 'limit'>;
  readonly reply: Reply;
}

/**
 * From the next record on. An outcome that comes in later than its record is told as an event of its own, but not to a
 * reader that was behind just then: the log has it.
 */
export function follow({ spool, wanted, query, reply }: Following): void {
  let behind = false;
  const catchUp = async (position: number): Promise<void> => {
    behind = true;
    let from = position;
    await readOrLeave(reply);
    while (reply.connection.isOpen) {
      const page = spool.page({ ...query(), limit: pageSize }, from);
      const last = page.at(-1);
      // Between this empty page and the next record nothing else ran: nothing is missed.
      if (last === undefined) break;
      sendRecords(reply, page.filter(wanted));
      from = last.position + 1;
      await readOrLeave(reply);
    }
    behind = false;
  };
  const stop = spool.follow((kept) => {
    const last = kept.at(-1);
    if (behind || last === undefined) return;
    if (!sendRecords(reply, kept.filter(wanted))) void catchUp(last.position + 1).catch(leave);
  });
  const leave = (error: unknown): void =>
    reply.connection.close({ why: 'closed-here', detail: `the log could not be read: ${String(error)}` });
  void reply.connection.closed.then(stop);
}
