// audit export: entries of the log with what proves them, as the lines of an export file (proof/export.ts). A stretch of
// time is exported whole; any other choice brings an inclusion proof for each entry.
import { hostname } from 'node:os';
import { daemonStream } from '../../audit/mod.ts';
import type { Audit, ExportFrame, SearchRequest } from '../../audit/mod.ts';
import { CordonError } from '../../model/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';
import { matches, recordOf } from '../../ocsf/mod.ts';
import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';
import type { Reply } from '../table.ts';
import { filterOf } from './filter.ts';
import { readOrLeave } from './pages.ts';

/** Entries read at a time. */
const pageSize = 200;
/** Bytes of lines in one answer. */
const answerSize = 256 * 1024;

export const exportLog: AdminHandler<'exportLog'> = async (context, body, reply) => {
  const { daemon, actor } = context;
  if (!actor.admin)
    throw new CordonError(
      'not-permitted',
      'the log of the whole machine is exported by administrators only',
      {
        fix: 'cordon audit query shows the records of your own sessions',
      },
    );
  const filter = filterOf(context, body);
  await daemon.audit.spool.drainAll();
  const { from, to } = daemon.audit.stretch(filter.since, filter.until);
  const chosen = Object.keys(filter).some((key) => key !== 'since' && key !== 'until');
  const frame = frameOf(daemon.audit, { from, to, chosen, host: hostname() });
  recordExport(context, from, to, chosen);
  await sendEntries(daemon.audit, frame, { from, to, filter: chosen ? filter : undefined }, reply);
  send(reply, [frame.trailer], to - from, to - from, true);
  send(reply, [], to - from, to - from, false);
  return undefined;
};

/** Who took a copy of the log, and of what. Behind what is exported; a full disk does not keep anybody from looking. */
function recordExport(
  { daemon, actor }: Parameters<AdminHandler<'exportLog'>>[0],
  from: number,
  to: number,
  chosen: boolean,
): void {
  daemon.note(daemonStream, {
    kind: 'log',
    operation: 'export',
    object: to > from ? `${from}-${to - 1}` : 'nothing',
    disposition: 'observed',
    layer: 'daemon',
    reason: `exported by ${actor.name}${chosen ? ', a choice of it' : ''}`,
    process: { pid: actor.pid },
    detail: { actor: actor.name, uid: actor.uid, from, to },
  });
}

function frameOf(audit: Audit, request: Parameters<Audit['exportFrame']>[0]): ExportFrame {
  try {
    return audit.exportFrame(request);
  } catch (error) {
    throw new CordonError('unavailable', `the log cannot be exported: ${String(error)}`, {
      fix: 'cordon audit verify says whether it is whole',
      cause: error,
    });
  }
}

interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Undefined: all of it. */
  readonly filter: SearchRequest | undefined;
}

async function sendEntries(
  audit: Audit,
  frame: ExportFrame,
  { from, to, filter }: Stretch,
  reply: Reply,
): Promise<void> {
  send(reply, [frame.header], 0, to - from, true);
  for (let after = from - 1; after < to - 1 && reply.connection.isOpen;) {
    const page = audit.entries({ after, limit: Math.min(pageSize, to - 1 - after) });
    const last = page.at(-1);
    if (last === undefined) return;
    const wanted = filter === undefined ? page : page.filter((entry) => isWanted(entry, filter));
    after = last.position;
    const lines = wanted.map(frame.entry);
    for (const chunk of chunks(lines)) send(reply, chunk, after + 1 - from, to - from, true);
    await readOrLeave(reply);
  }
}

function isWanted(
  { text, time }: { readonly text: string | undefined; readonly time: number },
  filter: SearchRequest,
): boolean {
  if (text === undefined || time < (filter.since ?? -Infinity) || time >= (filter.until ?? Infinity))
    return false;
  const record = readable(text);
  return record !== undefined && matches(record, filter);
}

/** What was changed into no event matches nothing. */
function readable(text: string): SessionRecord | undefined {
  try {
    return recordOf(text);
  } catch {
    return undefined;
  }
}

/** At least one, so that progress is told. */
function chunks(lines: readonly string[]): string[][] {
  const out: string[][] = [[]];
  let size = 0;
  for (const line of lines) {
    if (size > 0 && size + line.length > answerSize) {
      out.push([]);
      size = 0;
    }
    out.at(-1)?.push(line);
    size += Buffer.byteLength(line);
  }
  return out;
}

function send(
  { connection, incoming }: Reply,
  lines: readonly string[],
  done: number,
  total: number,
  more: boolean,
): void {
  connection.send({
    request: incoming.request,
    more,
    message: message('exportAnswer', { lines, done, total }),
  });
}
