// Lines of a text file. They end in a newline and in nothing else: readline of Node also ends them at U+2028 and U+2029,
// which JSON says as they are, and which an agent may give to a file for a name.
import type { Readable } from 'node:stream';

/** Without their ends. A carriage return before one, which no JSON has, is not of the line. */
export async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8')) {
    const [first = '', ...others] = (chunk as string).split('\n');
    const lines = [rest + first, ...others];
    rest = lines.pop() ?? '';
    for (const line of lines) yield whole(line);
  }
  if (rest !== '') yield whole(rest);
}

const whole = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line);
