// Records go to the supervisor, who journals them. An effect waits for the acknowledgement: no record, no effect.
import type { Socket } from 'node:net';
import type { NewRecord } from '../model/mod.ts';
import { writeLine } from './lines.ts';
import type { Ack } from './messages.ts';

/** Milliseconds without an acknowledgement until the effect is denied. */
const ackDeadline = 5000;
/** Records on their way. More than this: the supervisor has stalled, and everything is denied at once. */
const maxPending = 4096;

export class RecordError extends Error {}

export interface Recorder {
  /** Resolves with the record's id (undefined when the supervisor does not tell) once it is journalled; else rejects with RecordError. */
  record(record: NewRecord): Promise<string | undefined>;
  /** For what has already happened: sent, not waited for. */
  note(record: NewRecord): void;
}

interface Waiting {
  readonly settle: (ack: Ack | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

export class LinkRecorder implements Recorder {
  private readonly link: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  constructor(link: Socket) {
    this.link = link;
  }

  record(record: NewRecord): Promise<string | undefined> {
    if (this.waiting.size >= maxPending)
      return Promise.reject(new RecordError('too many records wait for the journal'));
    const n = this.next++;
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const settle = (ack: Ack | undefined): void => {
      if (ack?.ok === true) resolve(ack.id);
      else
        reject(new RecordError(ack ? 'the journal refused the record' : 'the journal did not answer in 5 s'));
    };
    const timer = setTimeout(() => this.settle(n, undefined), ackDeadline);
    this.waiting.set(n, { settle, timer });
    writeLine(this.link, { t: 'record', n, record }).catch(() => this.settle(n, undefined));
    return promise;
  }

  note(record: NewRecord): void {
    // The supervisor says by itself when its journal fails; there is no effect left to hold back here.
    this.record(record).catch(() => undefined);
  }

  acknowledge(ack: Ack): void {
    const waiting = this.waiting.get(ack.n);
    if (waiting === undefined) return;
    this.waiting.delete(ack.n);
    clearTimeout(waiting.timer);
    waiting.settle(ack);
  }

  private settle(n: number, ack: Ack | undefined): void {
    const waiting = this.waiting.get(n);
    if (waiting === undefined) return;
    this.waiting.delete(n);
    clearTimeout(waiting.timer);
    waiting.settle(ack);
  }
}
