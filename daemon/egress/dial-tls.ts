// Opens TLS to the address that was judged, in the name that was granted. What is not verified is not used: there is no way
// back to plain text from here.
import type { Socket } from 'node:net';
import { checkServerIdentity, connect as secure } from 'node:tls';
import type { PeerCertificate, SecureContext, TLSSocket } from 'node:tls';
import { dial, type Dialing } from './dial.ts';
import type { Destination } from './judge.ts';

/** Milliseconds for the handshake. */
const handshakeDeadline = 15_000;
const protocol = 'http/1.1';

/** What was negotiated, for the record. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  /** SHA-256 of the server's certificate, hex. */
  readonly certificate: string;
}

export interface TlsDialing extends Dialing {
  /** Once it is connected. */
  readonly facts: () => TlsFacts;
}

/** `done` resolves with a sentence when it failed. */
export function dialTls(to: Destination, host: string, trusted: SecureContext, client: Socket): TlsDialing {
  const plain = dial(to, client, false);
  const { server: carrier } = plain;
  const reading: Dialing['reading'] = { take: () => false };
  const server = secure({
    socket: carrier,
    servername: host,
    secureContext: trusted,
    ALPNProtocols: [protocol],
    checkServerIdentity: (_, certificate) => checkNames(host, certificate),
  });
  server.disableRenegotiation();
  server.on('error', () => undefined);
  server.pause();
  server.on('data', (chunk: Buffer) => {
    if (!reading.take(chunk)) server.pause();
  });
  const done = plain.done.then((failure) =>
    failure === undefined ? handshake(server, client) : `it cannot be reached (${failure})`,
  );
  const reset = (): void => {
    plain.reset();
    server.destroy();
  };
  return { server, reading, done, reset, facts: () => factsOf(server) };
}

/** A name in the subject alone is none (RFC 9525, section 2). */
function checkNames(host: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname === undefined)
    return Object.assign(new Error('the certificate names no host'), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  return checkServerIdentity(host, certificate);
}

function handshake(server: TLSSocket, client: Socket): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const finish = (failure: string | undefined): void => {
    clearTimeout(timer);
    client.off('close', onClose);
    server.off('close', onEnd);
    if (failure !== undefined) server.destroy();
    resolve(failure);
  };
  const onClose = (): void => finish('the client went away');
  const onEnd = (): void => finish('it closed the connection during the TLS handshake');
  const timer = setTimeout(() => finish('it did not finish the TLS handshake in 15 s'), handshakeDeadline);
  server.once('secureConnect', () => finish(unusable(server)));
  server.on('error', (error: NodeJS.ErrnoException) => finish(sentence(error)));
  server.once('close', onEnd);
  client.once('close', onClose);
  if (client.destroyed) onClose();
  else if (server.destroyed) onEnd();
  return promise;
}

/** What OpenSSL has decided already is looked at once more: this is the one place that must not be wrong. */
function unusable(server: TLSSocket): string | undefined {
  const version = server.getProtocol();
  if (!server.authorized) return `its certificate is not accepted (${String(server.authorizationError)})`;
  if (version !== 'TLSv1.2' && version !== 'TLSv1.3')
    return `it speaks ${version ?? 'an unknown version of TLS'}`;
  const { alpnProtocol } = server;
  return alpnProtocol === false || alpnProtocol === protocol
    ? undefined
    : `it speaks ${String(alpnProtocol)}, not HTTP/1.1`;
}

const sentences: readonly (readonly [RegExp, string])[] = [
  [/ALTNAME_INVALID/, 'its certificate is for another name'],
  [/SELF_SIGNED/, 'its certificate is signed by nobody who is trusted here'],
  [/UNABLE_TO|ISSUER|CERT_UNTRUSTED|CERT_SIGNATURE/, 'its certificate leads to nobody who is trusted here'],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID/, 'its certificate is not valid yet'],
  [/INVALID_PURPOSE/, 'its certificate is not for servers'],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH|INVALID_RECORD|HTTP_REQUEST/, 'what it answers is not TLS'],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|INAPPROPRIATE_FALLBACK/,
    'it speaks no TLS that is accepted: 1.2 at least',
  ],
  [/APPLICATION_PROTOCOL/, 'it does not speak HTTP/1.1'],
];

function sentence({ code = '', message }: NodeJS.ErrnoException): string {
  const [, known] = sentences.find(([pattern]) => pattern.test(code)) ?? [];
  return `${known ?? 'TLS to it failed'} (${code === '' ? message : code})`;
}

function factsOf(server: TLSSocket): TlsFacts {
  const { fingerprint256 } = server.getPeerCertificate();
  return {
    version: server.getProtocol() ?? '',
    cipher: server.getCipher().standardName,
    certificate: fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
