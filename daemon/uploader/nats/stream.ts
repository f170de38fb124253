// The stream records go into: there, or made when the settings say so; never altered.
import { DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsSink } from '../../model/mod.ts';
import { SinkError } from '../entry.ts';

const streamNotFound = 10059;
/** Nanoseconds in which the server knows an id again. */
const duplicateWindow = 10 * 60 * 1e9;

/** Rejects unless the stream is there and takes our subject. */
export async function requireStream(manager: JetStreamManager, settings: NatsSink): Promise<void> {
  const { stream, subject, create } = settings;
  try {
    const { config } = await manager.streams.info(stream);
    if (!config.subjects.some((pattern) => covers(pattern, `${subject}.host.class`)))
      throw new SinkError(`stream ${stream} does not take ${subject}.>`, {
        fix: `nats stream edit ${stream} --subjects "${[...config.subjects, `${subject}.>`].join(',')}"`,
      });
  } catch (error) {
    const missing = error instanceof JetStreamApiError && error.code === streamNotFound;
    if (!missing || !create) throw error;
    await manager.streams.add({
      name: stream,
      subjects: [`${subject}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      // A full stream refuses, and records wait: it does not drop the oldest without a word.
      discard: DiscardPolicy.New,
      duplicate_window: duplicateWindow,
    });
  }
}

/** NATS subject matching: `*` is one word, `>` the rest. */
function covers(pattern: string, subject: string): boolean {
  const words = subject.split('.');
  const wanted = pattern.split('.');
  for (const [i, word] of wanted.entries()) {
    if (word === '>') return words.length > i;
    if (word !== '*' && word !== words[i] && !isPlaceholder(words[i])) return false;
  }
  return wanted.length === words.length;
}

/** The last two words differ from record to record: a pattern that names one takes some only, which its ack will say. */
const isPlaceholder = (word: string | undefined): boolean => word === 'host' || word === 'class';
