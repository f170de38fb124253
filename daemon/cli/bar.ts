// How far something is: a line on stderr, only on a terminal, wiped at the end.
import { isatty } from 'node:tty';

export interface Bar {
  show(done: number, total: number): void;
  end(): void;
}

const width = 30;
/** Milliseconds between two looks. */
const beat = 100;

export function progressBar(what: string): Bar {
  if (!isatty(2)) return { show: () => undefined, end: () => undefined };
  let last = 0;
  return {
    show(done, total) {
      const now = Date.now();
      if (now - last < beat && done < total) return;
      last = now;
      const part = total === 0 ? 1 : done / total;
      const bar = '█'.repeat(Math.round(part * width)).padEnd(width, '░');
      const counts = `${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
      process.stderr.write(`\r\u001b[K${what} ${bar} ${Math.floor(part * 100)}% (${counts})`);
    },
    end() {
      process.stderr.write('\r\u001b[K');
    },
  };
}
