// A directory of JSON lines for log shippers. Lines are on the disk before they are acknowledged; what was written but
// not acknowledged when the process died is found in the file, and not written again.
import { constants } from 'node:fs';
import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSink } from '../../model/mod.ts';
import { SinkError } from '../entry.ts';
import type { Checkpoint, Delivery, Entry, Sink } from '../entry.ts';
import { checkpointLine, entryLine, lastEntry } from './lines.ts';
import type { LastEntry } from './lines.ts';

/** Bytes at the end of a file that are looked at for the last whole line: longer than any line. */
const tail = 2 * 1024 * 1024;

interface Current {
  readonly handle: FileHandle;
  size: number;
  /** When it was begun: Unix time in milliseconds. */
  readonly begun: number;
  /** Found in it when it was opened; compared once. */
  found: LastEntry | undefined;
  last: number;
}

/** A full file that got another name. */
export interface Rotation {
  readonly file: string;
  /** Names of those that went, because there were more than are to be kept. */
  readonly removed: readonly string[];
}

/** `rotated` is told of each rotation; it must not throw. */
export function fileSink(
  settings: FileSink,
  origin: string,
  now: () => number,
  rotated: (rotation: Rotation) => void = () => undefined,
): Sink {
  const path = join(settings.directory, `${settings.name}.jsonl`);
  let current: Current | undefined;

  const write = async (entries: readonly Entry[], checkpoint: Checkpoint | undefined): Promise<Delivery> => {
    current ??= await openCurrent(path, settings, origin, now);
    if (isFull(current, settings, now())) {
      rotated(await rotate(current, path, settings));
      current = await openCurrent(path, settings, origin, now);
    }
    const fresh = notYetThere(current, entries);
    const lines = [
      ...fresh.map((entry) => entryLine(origin, entry)),
      ...(checkpoint === undefined ? [] : [checkpointLine(origin, checkpoint)]),
    ];
    const bytes = Buffer.from(lines.join(''));
    await writeAll(current, bytes);
    current.last = entries.at(-1)?.position ?? current.last;
    return { accepted: entries.length, duplicates: entries.length - fresh.length, bytes: bytes.length };
  };

  const giveUp = async (): Promise<void> => {
    const handle = current?.handle;
    current = undefined;
    await handle?.close().catch(() => undefined);
  };

  return {
    deliver: async (entries, checkpoint) => {
      try {
        return await write(entries, checkpoint);
      } catch (error) {
        await giveUp();
        return { accepted: 0, bytes: 0, error: fileError(error, settings.directory) };
      }
    },
    close: () => void giveUp(),
  };
}

async function openCurrent(
  path: string,
  settings: FileSink,
  origin: string,
  now: () => number,
): Promise<Current> {
  const { directory } = settings;
  await requireOwn(directory);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  try {
    const { size, birthtimeMs } = await handle.stat();
    const own = await wholeLines(handle, size, origin);
    const { whole } = own;
    if (whole < size) await handle.truncate(whole);
    // A file that was just begun: what was written last is in the one before it.
    const found = own.found ?? (await lastRotated(settings, origin));
    // By our own clock where we know: the kernel's may have been set since, and each new file would be old at once.
    const begun = whole === 0 ? now() : birthtimeMs;
    return { handle, size: whole, begun, found, last: found?.position ?? 0 };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Names of the files that are full, oldest first. */
async function rotatedFiles({ directory, name }: FileSink): Promise<readonly string[]> {
  const pattern = new RegExp(`^${name}-\\d{15}\\.jsonl$`);
  return (await readdir(directory)).filter((file) => pattern.test(file)).sort();
}

async function lastRotated(settings: FileSink, origin: string): Promise<LastEntry | undefined> {
  const newest = (await rotatedFiles(settings)).at(-1);
  if (newest === undefined) return undefined;
  const { O_RDONLY, O_NOFOLLOW } = constants;
  const handle = await open(join(settings.directory, newest), O_RDONLY | O_NOFOLLOW);
  try {
    return (await wholeLines(handle, (await handle.stat()).size, origin)).found;
  } finally {
    await handle.close();
  }
}

/** Somebody else who may write there could have root write into a file of his choice. */
async function requireOwn(directory: string): Promise<void> {
  const { uid, mode } = await stat(directory);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
    throw new SinkError(`others may write to ${directory}`, {
      fix: `chown root ${directory}; chmod go-w ${directory}`,
    });
}

/** Up to where the file is whole lines, and the last entry in them. */
async function wholeLines(
  handle: FileHandle,
  size: number,
  origin: string,
): Promise<{ whole: number; found: LastEntry | undefined }> {
  const from = Math.max(0, size - tail);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  const end = buffer.subarray(0, bytesRead).lastIndexOf(10);
  const text = buffer.toString('utf8', 0, end + 1);
  return { whole: from + end + 1, found: lastEntry(origin, text) };
}

/** Only when the very entry that the file ends with is in the batch: a log that was set back is not mistaken for it. */
function notYetThere(current: Current, entries: readonly Entry[]): readonly Entry[] {
  const { found } = current;
  current.found = undefined;
  const same = entries.find(
    ({ position, chain }) =>
      position === found?.position && Buffer.from(chain).toString('hex') === found.chain,
  );
  return same === undefined ? entries : entries.filter(({ position }) => position > same.position);
}

/** All of it and on the disk, or none. */
async function writeAll(current: Current, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return;
  try {
    await current.handle.appendFile(bytes);
    await current.handle.datasync();
    current.size += bytes.length;
  } catch (error) {
    await current.handle.truncate(current.size).catch(() => undefined);
    throw error;
  }
}

/** A clock that was set back makes a file as old as one that was set on does. */
const isFull = ({ size, begun }: Current, { rotateSize, rotateAge }: FileSink, now: number): boolean =>
  size >= rotateSize || (size > 0 && Math.abs(now - begun) >= rotateAge);

/**
 * `<name>.jsonl` becomes `<name>-<last position>.jsonl`: names sort by age. What has no later position than the file before
 * it (checkpoints alone, or entries of another log) comes behind that one all the same.
 */
async function rotate(current: Current, path: string, settings: FileSink): Promise<Rotation> {
  const { directory, name, keep } = settings;
  await current.handle.close();
  const newest = (await rotatedFiles(settings)).at(-1)?.slice(name.length + 1, -'.jsonl'.length) ?? -1;
  const number = Math.max(current.last, Number(newest) + 1);
  const file = `${name}-${String(number).padStart(15, '0')}.jsonl`;
  await rename(path, join(directory, file));
  const old = await rotatedFiles(settings);
  const removed = old.slice(0, Math.max(0, old.length - (keep - 1)));
  for (const each of removed) await unlink(join(directory, each));
  return { file, removed };
}

function fileError(error: unknown, directory: string): SinkError {
  if (error instanceof SinkError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const fix = fixes[code ?? '']?.(directory);
  return new SinkError(message, fix === undefined ? {} : { fix });
}

const fixes: Readonly<Record<string, (directory: string) => string>> = {
  ENOENT: (directory) => `mkdir -m 750 ${directory}`,
  ENOSPC: () => 'free space there; records wait in the spool meanwhile',
  EDQUOT: () => 'free space there; records wait in the spool meanwhile',
  EROFS: (directory) => `mount ${directory} writable, or choose another directory`,
  ELOOP: (directory) => `remove the symbolic link in ${directory}`,
};
