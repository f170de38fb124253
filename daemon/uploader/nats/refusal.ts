// What JetStream refused, in words that say what to do.
import { JetStreamApiError } from '@nats-io/jetstream';
import type { NatsSink } from '../../model/mod.ts';
import { SinkError } from '../entry.ts';

/** err_code of JetStream's API (nats-server/server/errors.json). */
const codes = (stream: string, subject: string): Readonly<Record<number, string>> => ({
  10023: 'the server lacks resources: give JetStream more storage',
  10047: 'the server lacks storage: give JetStream more',
  10054: `raise max_msg_size of stream ${stream}`,
  10059: `make the stream (nats stream add ${stream} --subjects "${subject}.>"), or set create: true`,
  10060: `another stream takes ${subject}.>: let only ${stream} have that subject`,
  10077: `stream ${stream} is full: raise its limits or prune it; records wait here meanwhile`,
});

export function explain(error: unknown, { stream, subject }: NatsSink): SinkError {
  if (error instanceof SinkError) return error;
  if (error instanceof JetStreamApiError) {
    const fix = codes(stream, subject)[error.code];
    return new SinkError(`${error.message} (${error.code})`, fix === undefined ? {} : { fix });
  }
  const message = error instanceof Error ? error.message : String(error);
  // The library's class for it is not exported.
  if (message === 'jetstream is not enabled')
    return new SinkError(`no stream takes ${subject}.>, or JetStream is off`, {
      fix: `turn JetStream on, and give stream ${stream} the subject ${subject}.>`,
    });
  return new SinkError(message === '' ? 'the connection ended' : message);
}
