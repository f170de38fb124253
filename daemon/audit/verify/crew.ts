// Hands stretches to threads and gives their results back in order.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Stretch, StretchResult } from './stretch.ts';

const most = 4;

function ask(worker: Worker, stretch: Stretch): Promise<StretchResult> {
  const { promise, resolve, reject } = Promise.withResolvers<StretchResult>();
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.postMessage(stretch);
  return promise.finally(() => worker.removeListener('error', reject));
}

/** `told`: entries that were looked at since the last call. */
export async function checkAll(
  database: string,
  stretches: readonly Stretch[],
  told: (entries: number) => void,
): Promise<StretchResult[]> {
  // Beside the program when bundled, a module beside this one otherwise.
  const script = import.meta.url.endsWith('.js') ? './audit-verify-thread.js' : './thread.ts';
  const results: StretchResult[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL(script, import.meta.url), { workerData: { database } });
    try {
      for (let at = next++; at < stretches.length; at = next++) {
        const stretch = stretches[at];
        if (stretch === undefined) break;
        results[at] = await ask(worker, stretch);
        told(stretch.to - stretch.from);
      }
    } finally {
      await worker.terminate();
    }
  };
  const threads = Math.min(most, availableParallelism(), stretches.length);
  await Promise.all(Array.from({ length: threads }, work));
  return results;
}
