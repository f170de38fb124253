// One end of the protocol over a stream socket. Both ends may ask: requests are numbered by the asker, answers carry
// the number, `more` says that further answers follow, number 0 is a notice. A peer that breaks the protocol, leaves
// a frame half sent, or does not read costs this connection and nothing else.
import type { Socket } from 'node:net';
import { CordonError } from '../model/mod.ts';
import type { CordonErrorCode } from '../model/mod.ts';
import { decodeEnvelope, encodeEnvelope, message } from './codec.ts';
import { frame, Framer } from './framer.ts';
import { isAnswer } from './message.ts';
import type { Envelope, Kind, Message, MessageOf } from './message.ts';
import type { Bodies } from './messages.gen.ts';
import { AnswerStream } from './answer-stream.ts';

/** Why a connection ended. `detail` is for records and people. */
export interface CloseReason {
  readonly why: 'ended' | 'closed-here' | 'protocol' | 'half-frame' | 'slow-reader' | 'socket-error';
  readonly detail: string;
}

/** A request or notice of the peer. */
export interface Incoming {
  /** 0 for a notice. */
  readonly request: number;
  readonly message: Message;
}

export interface ConnectionOptions {
  /** Called for every request and notice, in order. What it throws closes the connection. */
  readonly onMessage?: (incoming: Incoming, connection: Connection) => void;
  /** Milliseconds in which a frame that has begun must be complete. */
  readonly frameDeadline?: number;
  /** Bytes that may wait for the peer to read them. */
  readonly maxQueued?: number;
}

export interface AskOptions {
  /** Milliseconds until the (next) answer; 0 = no deadline. */
  readonly deadline?: number;
}

interface Waiting {
  answer(message: Message, more: boolean): void;
  fail(error: CordonError): void;
}

const defaultDeadline = 10_000;
const defaultMaxQueued = 4 * 1024 * 1024;

export class Connection {
  readonly socket: Socket;
  /** Settles once, never rejects. */
  readonly closed: Promise<CloseReason>;
  readonly #options: ConnectionOptions;
  readonly #framer = new Framer();
  readonly #waiting = new Map<number, Waiting>();
  readonly #settleClosed: (reason: CloseReason) => void;
  #nextRequest = 1;
  #reason: CloseReason | undefined;
  #frameTimer: NodeJS.Timeout | undefined;
  /** Shared by all who wait for the same drain. */
  #drained: Promise<void> | undefined;

  constructor(socket: Socket, options: ConnectionOptions = {}) {
    this.socket = socket;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#settleClosed = resolve;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => (this.#reason ??= socketReason(error)));
    socket.on('close', () => this.#finish());
  }

  get isOpen(): boolean {
    return this.#reason === undefined && !this.socket.destroyed;
  }

  /** Asks, and resolves with the one answer. A Failure answer, a deadline and the connection's end reject. */
  ask<K extends Kind>(kind: K, body: Partial<Bodies[K]> = {}, options: AskOptions = {}): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#begin(kind, body, options, { answer: (answer) => resolve(answer), fail: reject });
    return promise;
  }

  /** As `ask`, when only one kind of answer makes sense: another kind is a protocol error. */
  async askFor<K extends Kind, A extends Kind>(
    kind: K,
    body: Partial<Bodies[K]>,
    expected: A,
    options: AskOptions = {},
  ): Promise<Bodies[A]> {
    const answer = await this.ask(kind, body, options);
    if (!isKind(answer, expected))
      throw new CordonError('protocol', `asked ${kind}, expected ${expected}, was answered ${answer.kind}`);
    return answer.body as unknown as Bodies[A];
  }

  /** Asks, and yields every answer until one without `more`. Leaving the loop early forgets the rest. */
  stream<K extends Kind>(
    kind: K,
    body: Partial<Bodies[K]> = {},
    options: AskOptions = {},
  ): AsyncIterableIterator<Message> {
    const answers = new AnswerStream(() => this.#waiting.delete(request));
    const request = this.#begin(kind, body, { deadline: 0, ...options }, answers);
    return answers;
  }

  /** Sends what expects no answer. False: the peer is behind, wait for `drained()` before sending much more. */
  notify<K extends Kind>(kind: K, body: Partial<Bodies[K]> = {}): boolean {
    return this.send({ request: 0, more: false, message: message(kind, body) });
  }

  answer<K extends Kind>(to: Incoming, kind: K, body: Partial<Bodies[K]> = {}, more = false): boolean {
    return this.send({ request: to.request, more, message: message(kind, body) });
  }

  /** Answers with a Failure that carries code, message, fix and place. */
  refuse(to: Incoming, error: unknown): boolean {
    return this.answer(to, 'failure', failureOf(error));
  }

  send(envelope: Envelope): boolean {
    if (!this.isOpen) return false;
    const flowing = this.socket.write(frame(encodeEnvelope(envelope)));
    const limit = this.#options.maxQueued ?? defaultMaxQueued;
    if (this.socket.writableLength > limit)
      this.close({ why: 'slow-reader', detail: `${this.socket.writableLength} bytes wait unread` });
    return flowing;
  }

  /** Resolves when the socket takes more, or the connection has ended. */
  async drained(): Promise<void> {
    if (!this.isOpen || !this.socket.writableNeedDrain) return;
    this.#drained ??= this.#nextDrain();
    await this.#drained;
  }

  #nextDrain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const done = (): void => {
      this.socket.off('drain', done).off('close', done);
      this.#drained = undefined;
      resolve(undefined);
    };
    this.socket.on('drain', done).on('close', done);
    return promise;
  }

  /** Stops reading from the peer; what was read already is still delivered. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Ends at once; what is queued may be lost. */
  close(reason: CloseReason = { why: 'closed-here', detail: '' }): void {
    this.#reason ??= reason;
    this.socket.destroy();
  }

  /** Ends once what is queued has been sent. */
  end(): void {
    this.socket.end();
  }

  #begin<K extends Kind>(kind: K, body: Partial<Bodies[K]>, options: AskOptions, waiting: Waiting): number {
    const request = this.#nextRequest++;
    if (!this.isOpen) {
      waiting.fail(new CordonError('unavailable', `${kind} was not sent: the connection has ended`));
      return request;
    }
    this.#waiting.set(
      request,
      withDeadline(kind, options.deadline ?? defaultDeadline, waiting, () => this.#waiting.delete(request)),
    );
    try {
      this.send({ request, more: false, message: message(kind, body) });
    } catch (error) {
      this.#waiting.delete(request);
      waiting.fail(asCordonError(error));
    }
    return request;
  }

  #read(chunk: Buffer): void {
    try {
      this.#framer.push(chunk, (payload) => this.#deliver(payload));
      this.#watchFrame();
    } catch (error) {
      const known = asCordonError(error);
      this.close({ why: 'protocol', detail: known.message });
    }
  }

  #deliver(payload: Buffer): void {
    if (this.#reason !== undefined) return;
    const { request, more, message: received } = decodeEnvelope(payload);
    if (!isAnswer(received.kind)) this.#request({ request, message: received });
    else this.#answered(request, more, received);
  }

  #request(incoming: Incoming): void {
    const { onMessage } = this.#options;
    if (onMessage === undefined)
      throw new CordonError('protocol', `${incoming.message.kind} came where only answers are expected`);
    onMessage(incoming, this);
  }

  #answered(request: number, more: boolean, received: Message): void {
    if (request === 0 || request >= this.#nextRequest)
      throw new CordonError('protocol', `${received.kind} answers a request that was never made`);
    // A request that was given up may still be answered: that is not the peer's fault.
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) return;
    if (!more || received.kind === 'failure') this.#waiting.delete(request);
    if (received.kind === 'failure') waiting.fail(errorOf(received));
    else waiting.answer(received, more);
  }

  #watchFrame(): void {
    if (!this.#framer.partial) {
      clearTimeout(this.#frameTimer);
      this.#frameTimer = undefined;
      return;
    }
    this.#frameTimer ??= setTimeout(
      () => this.close({ why: 'half-frame', detail: 'a frame was begun and not completed in time' }),
      this.#options.frameDeadline ?? defaultDeadline,
    ).unref();
  }

  #finish(): void {
    clearTimeout(this.#frameTimer);
    this.#reason ??= this.#framer.partial
      ? { why: 'half-frame', detail: 'the peer left in the middle of a frame' }
      : { why: 'ended', detail: 'the peer closed the connection' };
    const error = new CordonError(
      'unavailable',
      `the connection ended before the answer: ${this.#reason.detail}`,
    );
    const left = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of left) waiting.fail(error);
    this.#settleClosed(this.#reason);
  }
}

/** A peer that left while bytes for it were on the way has left, no more. */
function socketReason(error: NodeJS.ErrnoException): CloseReason {
  const left = error.code === 'ECONNRESET' || error.code === 'EPIPE';
  return { why: left ? 'ended' : 'socket-error', detail: error.message };
}

export const isKind = <K extends Kind>(candidate: Message, kind: K): candidate is MessageOf<K> =>
  candidate.kind === kind;

function withDeadline(kind: Kind, deadline: number, waiting: Waiting, forget: () => void): Waiting {
  if (deadline === 0) return waiting;
  const expire = (): void => {
    forget();
    waiting.fail(new CordonError('unavailable', `${kind} was not answered within ${deadline} ms`));
  };
  let timer = setTimeout(expire, deadline);
  return {
    answer: (received, more) => {
      clearTimeout(timer);
      if (more) timer = setTimeout(expire, deadline);
      waiting.answer(received, more);
    },
    fail: (error) => {
      clearTimeout(timer);
      waiting.fail(error);
    },
  };
}

/** Any thrown value as a CordonError; what is not one of ours is `internal`. */
export function asCordonError(error: unknown): CordonError {
  if (error instanceof CordonError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new CordonError('internal', text, { cause: error });
}

export function failureOf(error: unknown): Partial<Bodies['failure']> {
  const { code, message: text, facts } = asCordonError(error);
  return {
    code,
    message: text,
    fix: facts.fix ?? '',
    file: facts.file ?? '',
    line: facts.line ?? 0,
    key: facts.key ?? '',
  };
}

const codes: ReadonlySet<string> = new Set<CordonErrorCode>([
  'policy-invalid',
  'config-invalid',
  'layer-missing',
  'launch-failed',
  'not-permitted',
  'not-found',
  'killed',
  'protocol',
  'limit',
  'unavailable',
  'stale',
  'internal',
]);
const isCode = (code: string): code is CordonErrorCode => codes.has(code);

export function errorOf(failure: MessageOf<'failure'>): CordonError {
  const { code, message: text, fix, file, line, key } = failure.body;
  return new CordonError(isCode(code) ? code : 'internal', text, {
    ...(fix === '' ? {} : { fix }),
    ...(file === '' ? {} : { file }),
    ...(line === 0 ? {} : { line }),
    ...(key === '' ? {} : { key }),
  });
}
