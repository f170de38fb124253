// Text to a descriptor that an agent may share with us. A stream of Node's would set O_NONBLOCK on the open file
// description, for the agent too.
import { writeSync } from 'node:fs';

/** Writes all of it. What nobody reads any more (EPIPE) or cannot be written is dropped: there is nobody to tell. */
export function writeDirect(descriptor: 1 | 2, text: string): void {
  let rest = Buffer.from(text, 'utf8');
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EAGAIN') (descriptor === 1 ? process.stdout : process.stderr).write(rest);
  }
}
