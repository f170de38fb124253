// The thread that reads journals ahead of the one that keeps the log (read-ahead.ts): a window for each request.
import { parentPort } from 'node:worker_threads';
import { Preparation } from './preparation.ts';
import type { PreparationOrder } from './preparation.ts';
import { buffersOf } from './prepared-window.ts';
import type { PreparedWindow } from './prepared-window.ts';

export type IntakeRequest = { readonly job: number } & (
  { readonly ask: 'begin'; readonly order: PreparationOrder } | { readonly ask: 'window' | 'end' }
);

export interface IntakeAnswer {
  readonly job: number;
  /** Undefined: no more. */
  readonly window: PreparedWindow | undefined;
}

const jobs = new Map<number, Preparation>();

/** What cannot be read here cannot be read by the log's own thread either, and that tells. */
function windowOf(job: number): PreparedWindow | undefined {
  try {
    return jobs.get(job)?.next();
  } catch {
    return undefined;
  }
}

parentPort?.on('message', (request: IntakeRequest) => {
  const { job } = request;
  if (request.ask === 'begin') jobs.set(job, new Preparation(request.order));
  else if (request.ask === 'end') {
    jobs.get(job)?.close();
    jobs.delete(job);
  } else {
    const window = windowOf(job);
    const answer: IntakeAnswer = { job, window };
    parentPort?.postMessage(answer, window === undefined ? [] : buffersOf(window));
  }
});
