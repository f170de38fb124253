// A JetStream stream. Every message carries log and event id as Nats-Msg-Id, which the server deduplicates by (a fleet
// shares the stream, and every daemon has an event `daemon-1`); at most `window` of them wait for their
// acknowledgement, and an acknowledgement counts only for the stream of the settings.
import { headers as newHeaders } from '@nats-io/transport-node';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient, PubAck } from '@nats-io/jetstream';
import type { NatsSink } from '../../model/mod.ts';
import { sinkError, SinkError } from '../entry.ts';
import type { Checkpoint, Delivery, Entry, Sink } from '../entry.ts';
import { checkpointId } from '../otlp/encode.ts';
import type { Addresses } from '../resolve.ts';
import { dial } from './connection.ts';
import { explain } from './refusal.ts';
import { requireStream } from './stream.ts';

/** Bytes of headers and protocol, beside the payload, that count towards the server's limit. */
const overhead = 1024;
/** A server that takes less than this takes no record at all: it is no reason to pass over all of them. */
const leastPayload = 4096;

interface Live {
  readonly connection: NatsConnection;
  readonly publisher: JetStreamClient;
  readonly maxPayload: number;
}

export function natsSink(settings: NatsSink, origin: string, addresses: Addresses): Sink {
  const host = hostToken(origin);
  let live: Live | undefined;
  let attempts = 0;
  let closed = false;

  const open = async (): Promise<Live> => {
    if (live !== undefined && !live.connection.isClosed()) return live;
    const connection = await dial(settings, addresses, attempts++);
    const maxPayload = connection.info?.max_payload ?? 1024 * 1024;
    try {
      if (maxPayload < leastPayload)
        throw new SinkError(
          `the server takes messages of ${maxPayload} bytes at most, which is less than a record`,
          {
            fix: 'raise max_payload of nats-server: 1MB is its default',
          },
        );
      await requireStream(await jetstreamManager(connection, { timeout: settings.timeout }), settings);
    } catch (error) {
      await connection.close();
      throw explain(error, settings);
    }
    if (closed) await connection.close();
    live = { connection, publisher: jetstream(connection, { timeout: settings.timeout }), maxPayload };
    return live;
  };

  const publish = async ({ publisher, maxPayload }: Live, message: Message): Promise<Settled> => {
    const tooLarge = message.payload.length + overhead > maxPayload;
    // The place in the log stays visible; the text stays in the spool, and the leaf says which it is.
    const payload = tooLarge ? new Uint8Array() : message.payload;
    if (tooLarge) message.headers.set('Cordon-Withheld', String(message.payload.length));
    try {
      const ack = await publisher.publish(`${settings.subject}.${host}.${message.kind}`, payload, {
        msgID: message.id,
        headers: message.headers,
        expect: { streamName: settings.stream },
      });
      return { ...read(ack, settings.stream), refused: tooLarge, bytes: payload.length + overhead };
    } catch (error) {
      return { error: explain(error, settings) };
    }
  };

  return {
    deliver: async (entries, checkpoint) => {
      const messages = [
        ...entries.map((entry) => messageOf(entry, origin)),
        ...(checkpoint === undefined ? [] : [checkpointMessage(checkpoint, origin)]),
      ];
      try {
        const connected = await open();
        const settled = await inWindow(messages, settings.window, (message) => publish(connected, message));
        return summary(settled, entries.length);
      } catch (error) {
        return { accepted: 0, bytes: 0, error: sinkError(error) };
      }
    },
    close: () => {
      closed = true;
      void live?.connection.close();
    },
  };
}

interface Message {
  readonly id: string;
  /** Last word of the subject. */
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
}

interface Settled {
  readonly error?: SinkError;
  readonly duplicate?: boolean;
  readonly refused?: boolean;
  readonly bytes?: number;
}

/** Subjects are words between dots: nothing of a name may divide or widen one. */
export const hostToken = (origin: string): string => origin.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 128);

function messageOf(entry: Entry, origin: string): Message {
  const headers = newHeaders();
  headers.set('Cordon-Origin', origin);
  headers.set('Cordon-Event', entry.uid);
  headers.set('Cordon-Position', String(entry.position));
  headers.set('Cordon-Session', entry.session);
  headers.set('Cordon-Leaf', Buffer.from(entry.leaf).toString('hex'));
  headers.set('Cordon-Chain', Buffer.from(entry.chain).toString('hex'));
  return { id: `${origin}:${entry.uid}`, kind: entry.recordClass, payload: entry.text, headers };
}

function checkpointMessage({ size, note }: Checkpoint, origin: string): Message {
  const headers = newHeaders();
  headers.set('Cordon-Origin', origin);
  headers.set('Cordon-Size', String(size));
  return { id: `${origin}:${checkpointId(size)}`, kind: 'checkpoint', payload: Buffer.from(note), headers };
}

/** A server that answers for another stream has not kept the record where it is looked for. */
function read(ack: PubAck, stream: string): Settled {
  if (ack.stream !== stream || !Number.isSafeInteger(ack.seq) || ack.seq < 1)
    return { error: new SinkError(`its acknowledgement is not one of stream ${stream}`) };
  return { duplicate: ack.duplicate };
}

/** In order, with at most `window` unsettled; nothing more is begun once one has failed. */
async function inWindow(
  messages: readonly Message[],
  window: number,
  publish: (message: Message) => Promise<Settled>,
): Promise<Settled[]> {
  const settled: Settled[] = [];
  const waiting = new Set<Promise<void>>();
  for (const [i, message] of messages.entries()) {
    const one = publish(message).then((result) => {
      settled[i] = result;
      waiting.delete(one);
    });
    waiting.add(one);
    if (waiting.size >= window) await Promise.race(waiting);
    if (settled.some((result) => result.error !== undefined)) break;
  }
  await Promise.all(waiting);
  return settled;
}

/** Only what comes before the first failure counts: the rest is sent again, and found to be there by its id. */
function summary(settled: readonly Settled[], entries: number): Delivery {
  const failure = settled.findIndex(({ error }) => error !== undefined);
  const good = settled.slice(0, failure < 0 ? settled.length : failure);
  const records = good.slice(0, entries);
  const refused = records.filter((one) => one.refused === true).length;
  const error = settled[failure]?.error;
  return {
    accepted: records.length,
    duplicates: records.filter((one) => one.duplicate === true).length,
    refused,
    ...(refused === 0
      ? {}
      : { refusal: 'larger than the server’s max_payload: its place was sent without its text' }),
    bytes: settled.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
    ...(error === undefined ? {} : { error }),
  };
}
