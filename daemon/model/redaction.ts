// What of a record is kept as it was, by sort of content. Secrets never are.

/**
 * keep: as it is. hash: HMAC-SHA-256 with the host's key, so that equal values stay equal. drop: only that it was there.
 * seal: encrypted under a key of the host's, for administrators to open.
 */
export type Treatment = 'keep' | 'hash' | 'drop' | 'seal';

export interface RedactionPolicy {
  /** Arguments of programs; the first, the program's name, counts as a path. */
  readonly arguments: Treatment;
  /** Files, programs and unix sockets. */
  readonly paths: Treatment;
  /** What people and models said: arguments and results of tool calls, justifications. */
  readonly content: Treatment;
}

export const keepAll: RedactionPolicy = { arguments: 'keep', paths: 'keep', content: 'keep' };
