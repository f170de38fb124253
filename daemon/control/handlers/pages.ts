// Records in answers of bounded size, no faster than they are read.
import { setImmediate } from 'node:timers/promises';
import type { KeptRecord } from '../../audit/mod.ts';
import { message } from '../../wire/mod.ts';
import type { Message } from '../../wire/mod.ts';
import type { Reply } from '../table.ts';

/** Records read at a time, so that no answer is held whole nor holds others up. */
export const pageSize = 500;
/** Bytes of records in one answer. */
const answerSize = 256 * 1024;
/** Milliseconds a reader may let an answer wait. */
const readDeadline = 30_000;

/** The peer has room for more, or has lost its connection. Other requests get their turn. */
export async function readOrLeave({ connection }: Reply): Promise<void> {
  const timer = setTimeout(
    () => connection.close({ why: 'slow-reader', detail: 'an answer was not read in time' }),
    readDeadline,
  );
  await connection.drained();
  clearTimeout(timer);
  await setImmediate();
}

/** All pages but the last, which is the answer. */
export async function paged<T>(
  reply: Reply,
  pages: readonly (readonly T[])[],
  answer: (page: readonly T[]) => Message,
): Promise<Message> {
  const { connection, incoming } = reply;
  for (const page of pages.slice(0, -1)) {
    connection.send({ request: incoming.request, more: true, message: answer(page) });
    await readOrLeave(reply);
  }
  return answer(pages.at(-1) ?? []);
}

/** More will follow. False: the reader is behind. */
export function sendRecords(reply: Reply, kept: readonly KeptRecord[]): boolean {
  return chunked(kept).reduce((flowing, chunk) => sendChunk(reply, chunk, true) && flowing, true);
}

export const sendChunk = (
  { connection, incoming }: Reply,
  chunk: readonly string[],
  more: boolean,
): boolean =>
  connection.send({ request: incoming.request, more, message: message('recordsAnswer', { records: chunk }) });

export function chunked(kept: readonly Pick<KeptRecord, 'json'>[]): string[][] {
  const chunks: string[][] = [];
  let size = Infinity;
  for (const { json } of kept) {
    if (size + json.length > answerSize) {
      chunks.push([]);
      size = 0;
    }
    chunks.at(-1)?.push(json);
    size += Buffer.byteLength(json);
  }
  return chunks;
}
