// One HTTP POST: no redirects, an answer of bounded size, a deadline on the whole.
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { TlsSettings } from '../model/mod.ts';
import { SinkError } from './entry.ts';

export interface PostSettings {
  readonly url: string;
  readonly tls: TlsSettings;
  /** Milliseconds. */
  readonly timeout: number;
  readonly lookup: LookupFunction;
}

export interface Posted {
  readonly status: number;
  readonly headers: Readonly<IncomingMessage['headers']>;
  readonly body: Buffer;
}

export interface Poster {
  /** Rejects with SinkError when there is no whole answer. */
  post(headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<Posted>;
  close(): void;
}

const maxAnswer = 64 * 1024;

export function poster({ url, tls, timeout, lookup }: PostSettings): Poster {
  const secure = url.startsWith('https:');
  const agent = secure ? new HttpsAgent(tlsOptions(tls)) : new HttpAgent(keepAlive);
  const start = secure ? httpsRequest : httpRequest;
  return {
    post: (headers, body) => {
      const options: RequestOptions = {
        method: 'POST',
        agent,
        lookup,
        headers: { ...headers, 'Content-Length': String(body.length), 'User-Agent': 'cordon' },
      };
      return exchange(start(url, options), body, timeout);
    },
    close: () => agent.destroy(),
  };
}

const keepAlive = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 };

const tlsOptions = ({ ca, certificate, key }: TlsSettings) => ({
  ...keepAlive,
  minVersion: 'TLSv1.2' as const,
  ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
  ...(certificate === undefined ? {} : { cert: Buffer.from(certificate) }),
  ...(key === undefined ? {} : { key: Buffer.from(key) }),
});

function exchange(request: ClientRequest, body: Uint8Array, timeout: number): Promise<Posted> {
  const { promise, resolve, reject } = Promise.withResolvers<Posted>();
  const fail = (message: string, fix?: string): void => {
    reject(new SinkError(message, fix === undefined ? {} : { fix }));
    request.destroy();
  };
  const timer = setTimeout(() => fail(`no answer within ${timeout} ms`), timeout);
  request.on('error', (error: NodeJS.ErrnoException) => fail(error.message, fixes[error.code ?? '']));
  request.on('response', (response) => {
    const parts: Buffer[] = [];
    let size = 0;
    response.on('data', (part: Buffer) => {
      size += part.length;
      if (size > maxAnswer) fail(`the answer is longer than ${maxAnswer} bytes`);
      else parts.push(part);
    });
    response.on('error', (error) => fail(error.message));
    response.on('aborted', () => fail('the answer broke off'));
    response.on('end', () => {
      if (!response.complete) fail('the answer broke off');
      else
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) });
    });
  });
  request.end(body);
  return promise.finally(() => clearTimeout(timer));
}

const certificateFix = 'set ca: to the PEM of who signed the sink’s certificate';
const fixes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the sink, or correct its address in the settings',
  SELF_SIGNED_CERT_IN_CHAIN: certificateFix,
  DEPTH_ZERO_SELF_SIGNED_CERT: certificateFix,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: certificateFix,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: certificateFix,
  CERT_HAS_EXPIRED: 'renew the sink’s certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'use the name in the settings that is in the sink’s certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the sink wants a client certificate: set certificate: and key:',
};

/** Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3); undefined: none, or not understood. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
