// What the mapping of one kind of record says: the class, the activity, and the attributes of that class as canonical
// text. The envelope (event.ts) adds what all events have.
import type { EventClass } from './classes.ts';

/** Attributes that only some classes have, in the order of RFC 8785. */
export type Attribute =
  | 'api'
  | 'app'
  | 'command_uid'
  | 'connection_info'
  | 'data_security'
  | 'dst_endpoint'
  | 'file'
  | 'file_result'
  | 'finding_info'
  | 'http_request'
  | 'kernel'
  | 'log_name'
  | 'message_context'
  | 'privileges'
  | 'process'
  | 'query'
  | 'src_endpoint'
  | 'state_id'
  | 'traffic'
  | 'user';

export interface Shape {
  readonly class: EventClass;
  readonly activity: number;
  /** Needed with activity 99. */
  readonly activityName?: string;
  readonly attributes: Readonly<Partial<Record<Attribute, string>>>;
  /** Which parts of the record the attributes hold: they are not said again in `unmapped`. */
  readonly holds: Holds;
}

export interface Holds {
  readonly object?: boolean;
  readonly object2?: boolean;
  /** Keys of `detail`. */
  readonly detail?: ReadonlySet<string>;
}

/** What needs an escape in JSON, and surrogates, whose pairs are rare enough for the slow way. */
const special = /["\\\x00-\x1f\ud800-\udfff]/;

/** A text of a bounded record, which is well formed, as JSON. */
export const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`);

/** `"name":text,`, or nothing: for members with one after them. */
export const before = (name: string, text: string | undefined): string =>
  text === undefined ? '' : `"${name}":${text},`;

/** `,"name":text`, or nothing: for members with one before them. */
export const after = (name: string, text: string | undefined): string =>
  text === undefined ? '' : `,"${name}":${text}`;

/** An object of members none of which must be there, as `before` writes them, in order. */
export const object = (members: string): string => `{${members.slice(0, -1)}}`;

export const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1) || path;

/** OCSF `file`. `type` is its `type_id`: 0 unknown, 1 regular, 2 folder, 5 socket, 7 symbolic link, 8 executable. */
export const file = (path: string, type: number, sha256?: string): string =>
  sha256 === undefined
    ? `{"name":${quoted(basename(path))},"path":${quoted(path)},"type_id":${type}}`
    : `{"hashes":[${digest(sha256)}],"name":${quoted(basename(path))},"path":${quoted(path)},"type_id":${type}}`;

/** OCSF `fingerprint`: 3 is SHA-256. */
const digest = (sha256: string): string => `{"algorithm_id":3,"value":${quoted(sha256)}}`;
