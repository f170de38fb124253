// A verifier over HTTPS. The daemon has no part in it: what parses TLS and HTTP runs as the caller.
import { request } from 'node:https';
import { CordonError } from '../../model/mod.ts';
import { textOption } from '../verb.ts';
import type { VerbContext } from '../verb.ts';
import { readText } from './files.ts';

export interface VerifierClient {
  /** Where it is, without a slash at the end. */
  readonly url: string;
  /** JSON, unless the fields say otherwise. */
  post(path: string, body: string, fields?: PostFields): Promise<Readonly<Record<string, unknown>>>;
}

export type PostFields = Readonly<Record<string, string>>;

const maxAnswer = 1024 * 1024;
const patience = 30_000;

const down = (url: URL, why: string): CordonError =>
  new CordonError('unavailable', `the verifier at ${url.host} cannot be used: ${why}`, {
    fix: '--verifier https://HOST:PORT, and --ca FILE when its certificate is of a private authority',
  });

function parsedAnswer(url: URL, status: number, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw down(url, 'its answer is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw down(url, 'its answer is no object');
  const answer = value as Readonly<Record<string, unknown>>;
  if (status === 200) return answer;
  // OAuth's errors are told in another place than our own.
  const { message = answer['error_description'] } = (answer['error'] ?? {}) as { readonly message?: unknown };
  throw new CordonError(
    'not-permitted',
    `the verifier refused: ${typeof message === 'string' ? message : status}`,
  );
}

/** `option`: the one that names it. */
export function verifierOf(context: VerbContext, option = 'verifier'): VerifierClient | undefined {
  const address = textOption(context, option);
  if (address === undefined) return undefined;
  const base = URL.parse(address);
  if (base?.protocol !== 'https:')
    throw new CordonError('config-invalid', `--${option} ${address} is no https:// address`);
  const authority = textOption(context, 'ca');
  const ca = authority === undefined ? {} : { ca: readText(authority, 'the certificate authority') };
  return {
    url: base.origin,
    post: (path, body, fields = {}) =>
      new Promise((resolve, reject) => {
        const url = new URL(path, base);
        const length = { 'content-length': Buffer.byteLength(body) };
        const headers = { 'content-type': 'application/json', ...fields, ...length };
        const asked = request(
          url,
          { method: 'POST', headers, timeout: patience, minVersion: 'TLSv1.3', ...ca },
          (reply) => {
            const parts: Buffer[] = [];
            let size = 0;
            reply.on('data', (part: Buffer) => {
              size += part.length;
              if (size > maxAnswer) asked.destroy(new Error('its answer is too long'));
              else parts.push(part);
            });
            // However it ended: whole, or in the middle of its answer.
            reply.on('error', (error) => reject(down(url, error.message)));
            reply.on('close', () => {
              if (!reply.complete) reject(down(url, 'its answer ended in the middle'));
            });
            reply.on('end', () => {
              try {
                resolve(parsedAnswer(url, reply.statusCode ?? 0, Buffer.concat(parts).toString('utf8')));
              } catch (error) {
                reject(error instanceof Error ? error : new Error(String(error)));
              }
            });
          },
        );
        asked.on('timeout', () => asked.destroy(new Error('it does not answer')));
        asked.on('error', (error) => reject(down(url, error.message)));
        asked.end(body);
      }),
  };
}

export function field(answer: Readonly<Record<string, unknown>>, name: string): string {
  const value = answer[name];
  if (typeof value === 'string') return value;
  throw new CordonError('protocol', `the verifier’s answer has no ${name}`);
}
