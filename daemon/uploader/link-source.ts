// The log over the link to cordond: one sink's view of it.
import { CordonError } from '../model/mod.ts';
import type { Connection, UploadAnswer, UploadEntry } from '../wire/mod.ts';
import { isKind } from '../wire/mod.ts';
import type { Batch, Entry, Source } from './entry.ts';

/** Milliseconds: cordond answers at its own pace, after everything that matters more. */
const patience = { deadline: 120_000 };

export function linkSource(connection: Connection, sink: string): Source {
  return {
    next: async (from, limit, checkpoint) => {
      const entries: Entry[] = [];
      let last: UploadAnswer | undefined;
      const answers = connection.stream('uploadRequest', { sink, from, limit, checkpoint }, patience);
      for await (const answer of answers) {
        if (!isKind(answer, 'uploadAnswer'))
          throw new CordonError('protocol', `expected records, was answered ${answer.kind}`);
        last = answer.body;
        for (const entry of last.entries) add(entries, entry);
      }
      return batchOf(entries, last);
    },
    acknowledge: async ({ cosigned, ...counts }) => {
      const { size: checkpoint = 0, signatures: cosignatures = '' } = cosigned ?? {};
      await connection.askFor(
        'uploadAcknowledge',
        { sink, ...counts, checkpoint, cosignatures },
        'ack',
        patience,
      );
    },
    proof: async (from, to) => {
      const { hashes } = await connection.askFor('uploadProof', { from, to }, 'uploadProofAnswer', patience);
      return hashes;
    },
    report: (report) => void connection.notify('uploadState', { sink, ...report }),
  };
}

/** A text that is longer than a message goes on in the next answer, under the same position. */
function add(entries: Entry[], entry: UploadEntry): void {
  const last = entries.at(-1);
  if (last?.position === entry.position)
    entries[entries.length - 1] = { ...last, text: Buffer.concat([last.text, entry.text]) };
  else entries.push(entry);
}

function batchOf(entries: readonly Entry[], last: UploadAnswer | undefined): Batch {
  if (last === undefined)
    throw new CordonError('protocol', 'records were asked for, and nothing was answered');
  const { through, more, checkpointSize, checkpoint } = last;
  const news = checkpointSize === 0 ? {} : { checkpoint: { size: checkpointSize, note: checkpoint } };
  return { entries, through, more, ...news };
}
