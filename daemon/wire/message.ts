// What travels: an envelope around exactly one message. `kind` is the message's name in the envelope's oneof.
import type { Bodies } from './messages.gen.ts';

export type Kind = keyof Bodies;

/** Discriminated by `kind`: `switch (message.kind) { case 'run': message.body.argv … }`. */
export type Message = { readonly [K in Kind]: { readonly kind: K; readonly body: Bodies[K] } }[Kind];

export type MessageOf<K extends Kind> = Extract<Message, { readonly kind: K }>;

export interface Envelope {
  /** Chosen by the asker; 0 for a notice, which expects no answer. A safe integer. */
  readonly request: number;
  /** More answers to the same request follow. */
  readonly more: boolean;
  readonly message: Message;
}

/** The version of the protocol this code speaks; an envelope of another version is refused. */
export const protocolVersion = 1;

/** Bytes of one encoded envelope, without its length prefix. */
export const maxEnvelope = 1024 * 1024;

const answers: ReadonlySet<Kind> = new Set<Kind>([
  'failure',
  'ack',
  'runAnswer',
  'statusAnswer',
  'sessionsAnswer',
  'recordsAnswer',
  'explainAnswer',
  'controlAnswer',
  'policyAnswer',
  'doctorAnswer',
  'attestAnswer',
  'verifyAnswer',
  'proveAnswer',
  'queryAnswer',
  'exportAnswer',
  'launchAnswer',
  'decisionAnswer',
  'uploadAnswer',
  'uploadProofAnswer',
  'sinksAnswer',
  'secretsAnswer',
  'mintTokenAnswer',
  'useTokenAnswer',
  'tokensAnswer',
  'tokenRevokeAnswer',
  'tokenKeysAnswer',
]);

/** Both ends number their own requests; the kind tells an answer from a request that has the same number. */
export const isAnswer = (kind: Kind): boolean => answers.has(kind);
