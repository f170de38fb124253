// Two threads of a session: one teaches the kernel which directories may be read without a question, because a name that is
// not read is not in them; the other makes such names appear, on behalf of the agent. Only one of them at a time.
import { SHARED } from './journal.ts';

const FREE = 0;
const TEACHING = 1;
const MAKING = 2;

export class Remembering {
  private readonly turn: Int32Array;
  /** The session's shared words. */
  constructor(shared: SharedArrayBuffer) {
    this.turn = new Int32Array(shared, SHARED.remembering * 8, 1);
  }

  /** Does not wait: false, and nothing was done, while a name is being made. */
  teach(work: () => boolean): boolean {
    if (Atomics.compareExchange(this.turn, 0, FREE, TEACHING) !== FREE) return false;
    return this.ended(work);
  }

  /** Waits for the teacher, who has a few calls to make. */
  make<T>(work: () => T): T {
    while (Atomics.compareExchange(this.turn, 0, FREE, MAKING) !== FREE) Atomics.wait(this.turn, 0, TEACHING);
    return this.ended(work);
  }

  private ended<T>(work: () => T): T {
    try {
      return work();
    } finally {
      Atomics.store(this.turn, 0, FREE);
      Atomics.notify(this.turn, 0);
    }
  }
}
