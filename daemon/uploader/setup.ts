// What cordond says first: which sinks there are, and all that the process is to know. SinkSettings travel as JSON,
// the bytes of files beside it.
import type { NatsSink, OtlpSink, SinkSettings } from '../model/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { UploadSetup, UploadSink } from '../wire/mod.ts';

export type NetworkSink = NatsSink | OtlpSink;

export interface SinkSetup {
  readonly settings: NetworkSink;
  readonly next: number;
}

export const isNetworkSink = (settings: SinkSettings): settings is NetworkSink => settings.kind !== 'file';

/** For the wire. */
export function packSink({ settings, next }: SinkSetup): UploadSink {
  const { tls, token, ...rest } = settings;
  const { credentials, ...plain } = { credentials: undefined, ...rest };
  return {
    settings: JSON.stringify(plain),
    ca: tls.ca ?? empty,
    certificate: tls.certificate ?? empty,
    key: tls.key ?? empty,
    token: token ?? empty,
    credentials: credentials ?? empty,
    next,
  };
}

const empty = new Uint8Array();

/** From cordond, whose own settings have been validated: what does not fit is a broken daemon. */
export function unpackSink(sink: UploadSink): SinkSetup {
  const plain: unknown = JSON.parse(sink.settings);
  if (typeof plain !== 'object' || plain === null || !('kind' in plain) || !isKind(plain.kind))
    throw new CordonError('protocol', 'the settings of a sink are none');
  const tls = {
    ...given('ca', sink.ca),
    ...given('certificate', sink.certificate),
    ...given('key', sink.key),
  };
  const settings = {
    ...plain,
    tls,
    ...given('token', sink.token),
    ...given('credentials', sink.credentials),
  };
  return { settings: settings as unknown as NetworkSink, next: sink.next };
}

const isKind = (kind: unknown): kind is NetworkSink['kind'] => kind === 'otlp' || kind === 'nats';

const given = (name: string, bytes: Uint8Array): Record<string, Uint8Array> =>
  bytes.length === 0 ? {} : { [name]: Buffer.from(bytes) };

export function hostsOf({ hosts }: UploadSetup): Record<string, readonly string[]> {
  const value: unknown = JSON.parse(hosts === '' ? '{}' : hosts);
  if (typeof value !== 'object' || value === null)
    throw new CordonError('protocol', 'the host table is none');
  return Object.fromEntries(
    Object.entries(value).map(([name, addresses]) => [name.toLowerCase(), addresses as readonly string[]]),
  );
}
