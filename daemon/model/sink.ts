// Where records are shipped to, as the settings say it. Inert: the files named in the settings have been read.
import type { Disposition } from './record.ts';
import type { RedactionPolicy } from './redaction.ts';
import type { RetentionSettings } from './retention.ts';

/** What of the log goes to a sink. A list that is absent does not narrow. */
export interface SinkFilter {
  /** Classes of records: denial, mutation, exec, … */
  readonly classes?: readonly string[];
  readonly verdicts?: readonly Disposition[];
  readonly sessions?: readonly string[];
}

/** C2SP tlog-witness: who cosigns checkpoints. */
export interface WitnessSettings {
  /** Submission prefix, without `/add-checkpoint`. */
  readonly url: string;
  /** Verifier key: `<name>+<key id>+<base64 of 0x04 and an Ed25519 public key>`. */
  readonly key: string;
}

/** PEM, as read. */
export interface TlsSettings {
  /** Instead of the usual roots. */
  readonly ca?: Uint8Array;
  readonly certificate?: Uint8Array;
  readonly key?: Uint8Array;
}

/** Names of secrets in cordond's vault, in place of what would be read from files. */
export interface SinkSecrets {
  readonly token?: string;
  /** Of `tls`. */
  readonly key?: string;
  readonly credentials?: string;
}

interface SinkCommon {
  /** Identity of the cursor: a sink that is renamed starts anew. */
  readonly name: string;
  readonly filter: SinkFilter;
  /** Records of one delivery at most. */
  readonly batch: number;
  /** Bytes a second; 0 = no limit. */
  readonly bandwidth: number;
  /** Percent: paused on battery below this; 0 = never. */
  readonly battery: number;
}

interface NetworkSink extends SinkCommon {
  readonly tls: TlsSettings;
  /** Bearer token (OTLP) or token (NATS). */
  readonly token?: Uint8Array;
  readonly secrets?: SinkSecrets;
  readonly witness?: WitnessSettings;
  /** Milliseconds that one request may take. */
  readonly timeout: number;
}

export interface OtlpSink extends NetworkSink {
  readonly kind: 'otlp';
  /** Of the logs endpoint: `https://…/v1/logs`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface NatsSink extends NetworkSink {
  readonly kind: 'nats';
  /** `nats://host:port` or `tls://host:port`; tried in turn. */
  readonly servers: readonly string[];
  readonly stream: string;
  /** Records go to `<subject>.<host>.<class>`. */
  readonly subject: string;
  /** Makes the stream when there is none. */
  readonly create: boolean;
  /** A `.creds` file. */
  readonly credentials?: Uint8Array;
  /** Messages that wait for their acknowledgement. */
  readonly window: number;
}

export interface FileSink extends SinkCommon {
  readonly kind: 'file';
  /** Absolute; exists, and belongs to root. */
  readonly directory: string;
  /** Bytes after which a new file is begun. */
  readonly rotateSize: number;
  /** Milliseconds after which a new file is begun. */
  readonly rotateAge: number;
  /** Files kept, the current one included. */
  readonly keep: number;
}

export type SinkSettings = OtlpSink | NatsSink | FileSink;

export interface RecordsSettings {
  /** Absent: all is kept but secrets. */
  readonly redact?: RedactionPolicy;
  readonly sinks: readonly SinkSettings[];
  /** Everything is kept when not given. */
  readonly retention?: RetentionSettings;
  /** Verifier keys (C2SP signed-note) of witnesses whose cosignatures count. */
  readonly witnesses?: readonly string[];
}
