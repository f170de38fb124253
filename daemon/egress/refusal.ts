// How a client hears of a denial: in its own protocol where we know it.
import type { Socket } from 'node:net';

export interface Refusal {
  /** What `cordon explain` takes. */
  readonly id: string;
  readonly rule: string;
  readonly reason: string;
}

/** A 403 that closes the connection. */
export function httpRefusal(refusal: Refusal): Buffer {
  const body = JSON.stringify({
    error: 'blocked by Cordon',
    ...refusal,
    explain: `cordon explain ${refusal.id}`,
  });
  const head = [
    'HTTP/1.1 403 Forbidden',
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
