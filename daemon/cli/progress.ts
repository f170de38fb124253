// Something to look at while a verb takes longer than a second; only on a terminal, only on stderr.
import { isatty } from 'node:tty';

const patience = 1000;
const beat = 500;

/** The line grows a dot every half second and is wiped when the work ends. */
export async function withProgress<T>(what: string, work: Promise<T>): Promise<T> {
  if (!isatty(2)) return work;
  const began = Date.now();
  const show = (): boolean => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    return process.stderr.write(`\r\u001b[K${what}… ${seconds} s`);
  };
  let ticking: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    show();
    ticking = setInterval(show, beat);
  }, patience);
  try {
    return await work;
  } finally {
    clearTimeout(first);
    clearInterval(ticking);
    if (ticking !== undefined) process.stderr.write('\r\u001b[K');
  }
}
