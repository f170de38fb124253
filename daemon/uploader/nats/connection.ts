// A connection to a NATS server. It is made anew by us, not by the library: the library would hold what was published
// while it was away and send it later, behind what we have sent again since.
import { connect, credsAuthenticator, tokenAuthenticator } from '@nats-io/transport-node';
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import type { NatsSink } from '../../model/mod.ts';
import { SinkError } from '../entry.ts';
import type { Addresses } from '../resolve.ts';

/** Milliseconds. Two pings without an answer end the connection. */
const pingInterval = 5000;
const pingsOut = 2;
const defaultPort = '4222';

/** Tries the servers in turn, from `first` on. Rejects with SinkError about the last one. */
export async function dial(settings: NatsSink, addresses: Addresses, first: number): Promise<NatsConnection> {
  const { servers } = settings;
  let last: unknown;
  for (let i = 0; i < servers.length; i++) {
    const server = new URL(servers[(first + i) % servers.length]!);
    try {
      return await dialOne(settings, server, addresses);
    } catch (error) {
      last = error;
    }
  }
  throw connectError(last);
}

async function dialOne(settings: NatsSink, server: URL, addresses: Addresses): Promise<NatsConnection> {
  const [address = ''] = await addresses(server.hostname);
  const port = server.port === '' ? defaultPort : server.port;
  return connect({
    servers: `${address.includes(':') ? `[${address}]` : address}:${port}`,
    resolve: false,
    reconnect: false,
    ignoreClusterUpdates: true,
    pingInterval,
    maxPingOut: pingsOut,
    timeout: settings.timeout,
    name: 'cordon uploader',
    ...authenticator(settings),
    ...tlsOptions(settings, server),
  });
}

function authenticator({ credentials, token }: NatsSink): Pick<ConnectionOptions, 'authenticator'> {
  if (credentials !== undefined) return { authenticator: credsAuthenticator(credentials) };
  if (token !== undefined)
    return { authenticator: tokenAuthenticator(Buffer.from(token).toString('latin1')) };
  return {};
}

/** `tls:` insists; `nats:` uses TLS when the server offers it. The name of the settings is what is checked. */
function tlsOptions({ tls }: NatsSink, server: URL): Pick<ConnectionOptions, 'tls'> {
  const given = tls.ca !== undefined || tls.certificate !== undefined;
  if (server.protocol !== 'tls:' && !given) return {};
  const options = {
    servername: server.hostname,
    ...(tls.ca === undefined ? {} : { ca: text(tls.ca) }),
    ...(tls.certificate === undefined ? {} : { cert: text(tls.certificate) }),
    ...(tls.key === undefined ? {} : { key: text(tls.key) }),
  };
  return { tls: options };
}

const text = (pem: Uint8Array): string => Buffer.from(pem).toString('utf8');

export function connectError(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const fix = fixes.find(([pattern]) => pattern.test(message))?.[1];
  return new SinkError(`cannot connect: ${message}`, fix === undefined ? {} : { fix });
}

const fixes: readonly (readonly [RegExp, string])[] = [
  [/refused/i, 'start nats-server, or correct its address in the settings'],
  [
    /authori[sz]ation|authentication|expired/i,
    'renew credentials: or token-file, then restart cordond; sessions go on',
  ],
  [/certificate|self.signed|altname/i, 'set ca: to the PEM of who signed the server’s certificate'],
  [
    /does not support 'tls'|tls.*not available/i,
    'turn TLS on in nats-server, or write nats: into the settings',
  ],
  [/timeout/i, 'see whether a firewall drops the connection'],
];
