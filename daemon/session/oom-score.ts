// What a child has of its parent when memory ends (proc_pid_oom_score_adj(5)). A supervisor is among the last that the
// kernel takes; what it starts must not be, or the machine's other programs would go before a runaway agent.
import { readFileSync, writeFileSync } from 'node:fs';

const file = '/proc/self/oom_score_adj';

/** Runs `start` with the whole process at this value; what it forks keeps it. A machine that refuses leaves it as it is. */
export async function withOomScore<T>(score: number, start: () => Promise<T>): Promise<T> {
  const own = read();
  if (own === undefined || own === score || !write(score)) return start();
  try {
    return await start();
  } finally {
    write(own);
  }
}

function read(): number | undefined {
  try {
    return Number(readFileSync(file, 'latin1'));
  } catch {
    return undefined;
  }
}

function write(score: number): boolean {
  try {
    writeFileSync(file, String(score));
    return true;
  } catch {
    return false;
  }
}
