// How a client hears of a denial: in its own protocol where we know it.
import type { Socket } from 'node:net';

export interface Refusal {
  /** What `cordon explain` takes. */
  readonly id: string;
  readonly rule: string;
  readonly reason: string;
}

const statuses = {
  403: ['Forbidden', 'blocked by Cordon'],
  502: ['Bad Gateway', 'not carried on by Cordon'],
} as const;

/** An answer that closes the connection. 502: it was granted, and where it goes cannot be reached as it must be. */
export function httpRefusal(refusal: Refusal, status: 403 | 502 = 403): Buffer {
  const [phrase, error] = statuses[status];
  const body = JSON.stringify({
    error,
    ...refusal,
    explain: `cordon explain ${refusal.id}`,
  });
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    `X-Cordon-Block: ${refusal.id.replace(/[^\x21-\x7e]/g, '')}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Fatal alert access_denied (49), RFC 8446 section 6. */
export const tlsRefusal = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

/** Milliseconds for a refused client to read its refusal. */
const lingering = 2000;

/**
 * Says `bytes` and closes. What the client still sends is read and dropped: closing on unread bytes would reset the
 * connection, and the client would lose what we said.
 */
export function sayAndClose(client: Socket, bytes: Buffer): void {
  const timer = setTimeout(() => client.destroy(), lingering);
  client.once('close', () => clearTimeout(timer));
  client.removeAllListeners('data');
  client.on('data', () => undefined);
  client.end(bytes);
  client.resume();
}
