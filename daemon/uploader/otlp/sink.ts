// A collector that takes OTLP/HTTP logs. One request at a time, so that the order of the log is the order of arrival.
import { gzipSync } from 'node:zlib';
import type { OtlpSink } from '../../model/mod.ts';
import { sinkError, SinkError } from '../entry.ts';
import type { Checkpoint, Delivery, Entry, Sink } from '../entry.ts';
import type { Poster } from '../post.ts';
import { BadRequest, protobufType, readAnswer } from './answer.ts';
import type { Accepted } from './answer.ts';
import { encodeLogs } from './encode.ts';
import type { LogOrigin } from './encode.ts';

/** Records refused alone, one after the other: then it is not the records. */
const refusedInARow = 3;
/** Bytes from which on a record may be too large. Most have a fifth of it: who calls those too large refuses everything. */
const large = 8192;
/** Requests in a row that were taken, after which one is of twice as many records: what was too large may be past. */
const steady = 16;

export function otlpSink(
  settings: Pick<OtlpSink, 'headers' | 'token'>,
  origin: LogOrigin,
  poster: Poster,
  now: () => number,
): Sink {
  const headers = headersOf(settings);
  /** Records of one request: less once the collector has said that a request was too large. */
  let chunk = Infinity;
  let inARow = 0;

  const send = async (entries: readonly Entry[], checkpoint: Checkpoint | undefined): Promise<Sent> => {
    const body = gzipSync(encodeLogs(origin, entries, checkpoint, now()), { level: 6 });
    const records = entries.length + (checkpoint === undefined ? 0 : 1);
    try {
      return { bytes: body.length, answer: readAnswer(await poster.post(headers, body), records, now()) };
    } catch (error) {
      return { bytes: body.length, error: sinkError(error) };
    }
  };

  /** Halves what is refused as a whole until the records that are at fault stand alone. */
  const sendSome = async (entries: readonly Entry[], tally: Tally): Promise<SinkError | undefined> => {
    const { bytes, answer, error } = await send(entries, undefined);
    tally.bytes += bytes;
    if (answer !== undefined) {
      tally.take(entries.length, answer);
      inARow += 1;
      if (inARow % steady === 0) chunk *= 2;
      return undefined;
    }
    inARow = 0;
    if (!(error instanceof BadRequest)) return error;
    const [first] = entries;
    if (entries.length === 1 && first !== undefined) return tally.refuse(error, first.text.length >= large);
    const half = Math.ceil(entries.length / 2);
    chunk = Math.max(1, half);
    return (await sendSome(entries.slice(0, half), tally)) ?? (await sendSome(entries.slice(half), tally));
  };

  return {
    deliver: async (entries, checkpoint) => {
      const tally = new Tally();
      for (let at = 0; at < entries.length;) {
        const some = entries.slice(at, at + chunk);
        const error = await sendSome(some, tally);
        if (error !== undefined) return tally.delivery(error);
        at += some.length;
      }
      if (tally.suspects > 0) return tally.delivery(tally.refusal);
      if (checkpoint === undefined) return tally.delivery();
      const { bytes, answer, error } = await send([], checkpoint);
      tally.bytes += bytes;
      if (answer !== undefined && answer.rejected > 0) tally.warning = answer.message;
      return tally.delivery(error);
    },
    close: () => poster.close(),
  };
}

interface Sent {
  readonly bytes: number;
  readonly answer?: Accepted;
  readonly error?: SinkError;
}

/** Counts one delivery. */
class Tally {
  bytes = 0;
  warning = '';
  /** Refused alone, while the collector has not shown that it takes the next one. */
  suspects = 0;
  refusal: SinkError | undefined;
  #accepted = 0;
  #refused = 0;
  #words = '';

  take(records: number, { rejected, message }: Accepted): void {
    this.#settleSuspects();
    this.#accepted += records;
    this.#refused += rejected;
    if (rejected > 0) this.#words = message === '' ? 'it did not say why' : message;
    else if (message !== '') this.warning = message;
  }

  /** One record that was refused alone. An error when it looks as if everything was. */
  refuse(error: SinkError, isLarge: boolean): SinkError | undefined {
    this.refusal = error;
    this.suspects += 1;
    // Too large by the collector's own word is no guess.
    if (isLarge && error instanceof BadRequest && error.tooLarge) this.#settleSuspects();
    return this.suspects >= refusedInARow ? error : undefined;
  }

  #settleSuspects(): void {
    if (this.suspects === 0) return;
    this.#accepted += this.suspects;
    this.#refused += this.suspects;
    this.#words = this.refusal?.message ?? '';
    this.suspects = 0;
  }

  delivery(error?: SinkError): Delivery {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      refusal: this.#words,
      bytes: this.bytes,
      warning: this.warning,
      ...(error === undefined ? {} : { error }),
    };
  }
}

const headersOf = ({ headers, token }: Pick<OtlpSink, 'headers' | 'token'>): Record<string, string> => ({
  ...headers,
  'Content-Type': protobufType,
  'Content-Encoding': 'gzip',
  ...(token === undefined ? {} : { Authorization: `Bearer ${Buffer.from(token).toString('latin1')}` }),
});
