// Where the token verbs read from: a file, standard input, or a server on this machine.
import { readFileSync } from 'node:fs';
import { CordonError } from '../../../model/mod.ts';
import { textOption, type VerbContext } from '../../verb.ts';

const maxText = 1024 * 1024;
/** Milliseconds. */
const patience = 5000;
const loopback = /^https?:\/\/(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\])(?::\d{1,5})?(?:\/|$)/;

/** A file, `-` for standard input, or a URL on the loopback interface: what others publish is fetched by other means. */
export async function readText(from: string): Promise<string> {
  if (/^https?:/.test(from)) return fetched(from);
  try {
    const text = readFileSync(from === '-' ? 0 : from, 'utf8');
    if (text.length <= maxText) return text.trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CordonError('config-invalid', `cannot read ${from}: ${code ?? String(error)}`, { file: from });
  }
  throw new CordonError('config-invalid', `${from} is larger than ${maxText} characters`, { file: from });
}

async function fetched(url: string): Promise<string> {
  if (!loopback.test(url))
    throw new CordonError('config-invalid', `${url} is not on this machine`, {
      fix: 'fetch it with a tool of your choice, and name the file',
    });
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(patience) });
    const text = await response.text();
    if (response.ok && text.length <= maxText) return text.trim();
    throw new Error(`status ${response.status}, ${text.length} characters`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CordonError('unavailable', `cannot fetch ${url}: ${why}`, { cause });
  }
}

/** A token as an operand is in everybody's process list: a file or `-` keeps it out. */
export const tokenOperand = async ([given = '-']: readonly string[]): Promise<string> =>
  /^[\w-]+\.[\w-]+\.[\w-]+$/.test(given) ? given : readText(given);

export function needed(context: VerbContext, name: string, example: string): string {
  const value = textOption(context, name);
  if (value !== undefined) return value;
  throw new CordonError('config-invalid', `--${name} is missing`, { fix: `such as --${name} ${example}` });
}

export function parsedJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CordonError('config-invalid', `${what} is not JSON`);
  }
}
