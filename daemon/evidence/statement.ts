// The statement: what the endpoint says of itself, in one canonical text. Its SHA-256 is the quote's qualifyingData, so
// the TPM signs it together with the PCRs.
import { createHash } from 'node:crypto';
import { canonical, Fields, malformed, parsed, text } from './json.ts';
import type { Json } from './json.ts';

export interface SessionStatement {
  readonly id: string;
  readonly profile: string;
  readonly profileVersion: number;
  readonly mode: string;
  /** Of the policy it runs under: lowercase hexadecimal SHA-256. */
  readonly policy: string;
  readonly generation: number;
  /** Layers that were read back as in force, sorted; and those that the profile allows to lack. */
  readonly layers: readonly string[];
  readonly lacking: readonly string[];
}

export interface AuditStatement {
  /** Name of the log. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** RFC 6962 root: lowercase hexadecimal. */
  readonly root: string;
  /** Public key of its checkpoints: hexadecimal Ed25519; empty: they are not signed. The TPM vouches for it with the rest. */
  readonly key: string;
  /** Value of the TPM's rollback counter that was written down beside the log; 0: there is none. */
  readonly counter: number;
  /** Steps of the counter that this log does not account for: it was put back to an earlier state. */
  readonly lost: number;
}

export interface Statement {
  readonly type: 'cordon-statement/1';
  /** The verifier's: lowercase hexadecimal, 8 to 64 bytes. */
  readonly nonce: string;
  /** The endpoint's word. */
  readonly tpm: 'hardware' | 'software';
  readonly version: string;
  readonly bootId: string;
  /** SHA-256 of the programs that run. */
  readonly images: { readonly daemon: string; readonly supervisor: string };
  /** Of everything policy is made from on this machine, and the default profile's version. */
  readonly policy: { readonly digest: string; readonly version: number };
  /** The highest generation of any session's capability set. */
  readonly generation: number;
  readonly audit: AuditStatement;
  readonly killEpoch: number;
  readonly sessions: readonly SessionStatement[];
}

/** Bytes of a statement's text. */
export const maxStatement = 128 * 1024;
const maxSessions = 200;
const maxLayers = 64;

export const isNonce = (nonce: string): boolean => /^(?:[0-9a-f]{2}){8,64}$/.test(nonce);

export function statementText(statement: Statement): string {
  const sessions = statement.sessions.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const sorted = sessions.map((each) => ({
    ...each,
    layers: each.layers.toSorted(),
    lacking: each.lacking.toSorted(),
  }));
  return canonical({ ...statement, sessions: sorted } as unknown as Json);
}

/** qualifyingData of the quote that goes with this text. */
export const statementDigest = (statement: string): Buffer => createHash('sha256').update(statement).digest();

function readSession(where: string, value: unknown): SessionStatement {
  const fields = new Fields(where, value);
  const session = {
    id: fields.text('id', 128),
    profile: fields.text('profile', 4096),
    profileVersion: fields.whole('profileVersion'),
    mode: fields.text('mode', 32),
    policy: fields.hex('policy'),
    generation: fields.whole('generation'),
    layers: fields.list('layers', maxLayers, text(64)),
    lacking: fields.list('lacking', maxLayers, text(64)),
  };
  fields.end();
  return session;
}

function readAudit(fields: Fields): AuditStatement {
  const audit = {
    origin: fields.text('origin', 256),
    size: fields.whole('size'),
    root: fields.hex('root'),
    key: fields.hex('key'),
    counter: fields.whole('counter'),
    lost: fields.whole('lost'),
  };
  fields.end();
  return audit;
}

function readPair<A, B>(fields: Fields, read: (fields: Fields) => { a: A; b: B }): { a: A; b: B } {
  const pair = read(fields);
  fields.end();
  return pair;
}

/** Throws CordonError, also when the text is not the canonical one: another text would have another digest. */
export function readStatement(statement: string): Statement {
  if (Buffer.byteLength(statement) > maxStatement)
    throw malformed('statement', `is over ${maxStatement} bytes`);
  const fields = new Fields('statement', parsed('statement', statement));
  const images = readPair(fields.object('images'), (f) => ({ a: f.hex('daemon'), b: f.hex('supervisor') }));
  const policy = readPair(fields.object('policy'), (f) => ({ a: f.hex('digest'), b: f.whole('version') }));
  const result: Statement = {
    type: fields.one('type', ['cordon-statement/1']),
    nonce: fields.hex('nonce'),
    tpm: fields.one('tpm', ['hardware', 'software']),
    version: fields.text('version', 64),
    bootId: fields.text('bootId', 64),
    images: { daemon: images.a, supervisor: images.b },
    policy: { digest: policy.a, version: policy.b },
    generation: fields.whole('generation'),
    audit: readAudit(fields.object('audit')),
    killEpoch: fields.whole('killEpoch'),
    sessions: fields.list('sessions', maxSessions, readSession),
  };
  fields.end();
  if (statementText(result) !== statement) throw malformed('statement', 'is not in its canonical form');
  return result;
}
