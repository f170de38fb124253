// The uploader's link: a process that talks to strangers. It may ask for what its sinks are to get, and say what became
// of it; an acknowledgement of what it was not given ends it.
import { CordonError } from '../model/mod.ts';
import { message } from '../wire/mod.ts';
import type { Bodies, Connection, UploadEntry } from '../wire/mod.ts';
import type { Batch, EntryLog, SinkReport } from '../uploader/mod.ts';
import type { SinkState } from './sink-state.ts';
import { anyone } from './table.ts';
import type { Reply, Table } from './table.ts';

export interface UploaderContext {
  readonly log: EntryLog;
  readonly sinks: ReadonlyMap<string, SinkState>;
  /** Runs the work when the daemon has time for it. */
  readonly paced: <T>(work: () => T) => Promise<T>;
  readonly refused: (sink: SinkState, records: number, from: number, words: string) => void;
  readonly told: (sink: SinkState, report: SinkReport) => void;
  /** A sink has taken something. */
  readonly acknowledged: () => void;
}

/** Bytes of texts in one answer: well below a frame. */
const answerSize = 640 * 1024;

function sinkOf({ sinks }: UploaderContext, name: string): SinkState {
  const sink = sinks.get(name);
  if (sink === undefined) throw new CordonError('protocol', `there is no sink ${name}`);
  return sink;
}

async function request(
  context: UploaderContext,
  { sink: name, from, limit, checkpoint }: Bodies['uploadRequest'],
  { connection, incoming }: Reply,
): Promise<undefined> {
  const sink = sinkOf(context, name);
  await connection.drained();
  const batch = await context.paced(() => guarded(connection, () => sink.batch(from, limit, checkpoint)));
  const parts = answersOf(batch);
  parts.forEach((entries, i) => {
    const more = i < parts.length - 1;
    connection.answer(incoming, 'uploadAnswer', { entries, ...tailOf(batch) }, more);
  });
  return undefined;
}

/** A breach closes the link: what runs there is not what we started. */
function guarded<T>(connection: Connection, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CordonError && error.code === 'protocol')
      connection.close({ why: 'protocol', detail: error.message });
    throw error;
  }
}

const tailOf = ({ through, more, checkpoint }: Batch) => ({
  through,
  more,
  checkpointSize: checkpoint?.size ?? 0,
  checkpoint: checkpoint?.note ?? '',
});

/** Entries as answers that each fit a frame; one that does not fit is divided. */
function answersOf({ entries }: Batch): UploadEntry[][] {
  const parts: UploadEntry[][] = [[]];
  let size = 0;
  const add = (entry: UploadEntry): void => {
    if (size > 0 && size + entry.text.length > answerSize) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(entry);
    size += entry.text.length;
  };
  for (const entry of entries)
    for (let at = 0; at === 0 || at < entry.text.length; at += answerSize)
      add({ ...entry, text: entry.text.subarray(at, at + answerSize) });
  return parts;
}

function acknowledge(
  context: UploaderContext,
  { sink: name, checkpoint, cosignatures, ...counts }: Bodies['uploadAcknowledge'],
  { connection }: Reply,
) {
  const sink = sinkOf(context, name);
  const from = sink.next;
  const cosigned = checkpoint === 0 ? {} : { cosigned: { size: checkpoint, signatures: cosignatures } };
  guarded(connection, () => sink.acknowledge({ ...counts, ...cosigned }));
  context.acknowledged();
  if (counts.refused > 0) context.refused(sink, counts.refused, from, words(counts.refusal));
  return message('ack');
}

const states: readonly SinkReport['state'][] = ['sending', 'idle', 'waiting', 'paused'];
const words = (text: string): string => text.slice(0, 500);

function state(context: UploaderContext, body: Bodies['uploadState']): undefined {
  const known = states.find((one) => one === body.state);
  if (known === undefined) throw new CordonError('protocol', `there is no state ${body.state}`);
  const { error, fix, nextTry, warning } = body;
  context.told(sinkOf(context, body.sink), {
    state: known,
    error: words(error),
    fix: words(fix),
    nextTry,
    warning: words(warning),
  });
  return undefined;
}

export const uploaderTable: Table<UploaderContext, 'open'> = {
  uploadRequest: { states: ['open'], may: anyone, handle: request },
  uploadAcknowledge: { states: ['open'], may: anyone, handle: acknowledge },
  uploadProof: {
    states: ['open'],
    may: anyone,
    handle: async ({ log, paced }, { from, to }) =>
      message('uploadProofAnswer', { hashes: await paced(() => log.consistency(from, to)) }),
  },
  uploadState: { states: ['open'], may: anyone, notice: true, handle: state },
};
