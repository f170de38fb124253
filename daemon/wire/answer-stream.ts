// The answers to one streaming request, as an async iterator. Bounded: a consumer that stays too far behind loses the
// stream (not the connection), and is told so.
import { CordonError } from '../model/mod.ts';
import type { Message } from './message.ts';

const maxHeld = 10_000;

interface Taker {
  resolve(result: IteratorResult<Message>): void;
  reject(error: CordonError): void;
}

export class AnswerStream implements AsyncIterableIterator<Message> {
  readonly #forget: () => void;
  readonly #held: Message[] = [];
  #taker: Taker | undefined;
  #ended = false;
  #error: CordonError | undefined;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  answer(message: Message, more: boolean): void {
    if (this.#held.length >= maxHeld) {
      this.#forget();
      this.fail(new CordonError('limit', `more than ${maxHeld} answers were waiting to be read`));
      return;
    }
    this.#ended ||= !more;
    const taker = this.#take();
    if (taker === undefined) this.#held.push(message);
    else taker.resolve({ done: false, value: message });
  }

  fail(error: CordonError): void {
    this.#ended = true;
    const taker = this.#take();
    if (taker === undefined) this.#error = error;
    else taker.reject(error);
  }

  next(): Promise<IteratorResult<Message>> {
    const message = this.#held.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Message>>();
    this.#taker = { resolve, reject };
    return promise;
  }

  return(): Promise<IteratorResult<Message>> {
    this.#forget();
    this.#ended = true;
    this.#held.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(): Taker | undefined {
    const taker = this.#taker;
    this.#taker = undefined;
    return taker;
  }
}
