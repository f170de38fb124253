// One base for errors that people or programs see. `code` is stable; `fix` says what to do.

export type CordonErrorCode =
  | 'policy-invalid'
  | 'config-invalid'
  | 'layer-missing'
  | 'launch-failed'
  | 'not-permitted'
  | 'not-found'
  | 'killed'
  | 'protocol'
  | 'limit'
  | 'unavailable'
  | 'stale'
  | 'internal';

export interface CordonErrorFacts {
  readonly fix?: string;
  readonly file?: string;
  readonly line?: number;
  readonly key?: string;
  readonly cause?: unknown;
}

export class CordonError extends Error {
  readonly code: CordonErrorCode;
  readonly facts: CordonErrorFacts;
  constructor(code: CordonErrorCode, message: string, facts: CordonErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'CordonError';
    this.code = code;
    this.facts = facts;
  }
}
