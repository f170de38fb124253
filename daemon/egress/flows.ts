// Connects that the supervisor has judged and is about to make, by (family, local port). A flow is taken once. The line
// and the connection travel on different descriptors, so a connection may arrive first and wait for its line.
import type { Flow } from './messages.ts';

const maxFlows = 4096;
/** Milliseconds a flow waits for its connection: the connect may have failed. */
const flowLifetime = 30_000;
/** Milliseconds a connection waits for its flow. */
export const flowWait = 1000;

interface Held {
  readonly flow: Flow;
  readonly since: number;
}

export class Flows {
  private readonly held = new Map<string, Held>();
  private readonly waiting = new Map<string, (flow: Flow | undefined) => void>();
  private readonly now: () => number;
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  add(flow: Flow): void {
    const key = keyOf(flow.family, flow.port);
    const waiter = this.waiting.get(key);
    if (waiter !== undefined) {
      waiter(flow);
      return;
    }
    // Re-inserted, so that iteration order stays age: a port used again means the older connect came to nothing.
    this.held.delete(key);
    this.held.set(key, { flow, since: this.now() });
    if (this.held.size > maxFlows) this.held.delete(this.held.keys().next().value!);
  }

  /** The flow of a connection that was accepted; undefined when none is known within the wait. */
  take(family: 4 | 6, port: number, wait = flowWait): Promise<Flow | undefined> {
    const key = keyOf(family, port);
    const held = this.held.get(key);
    this.held.delete(key);
    if (held !== undefined && this.now() - held.since < flowLifetime) return Promise.resolve(held.flow);
    this.waiting.get(key)?.(undefined);
    return new Promise((resolve) => {
      const done = (flow: Flow | undefined): void => {
        clearTimeout(timer);
        this.waiting.delete(key);
        resolve(flow);
      };
      const timer = setTimeout(() => done(undefined), wait);
      this.waiting.set(key, done);
    });
  }
}

const keyOf = (family: 4 | 6, port: number): string => `${family}:${port}`;
