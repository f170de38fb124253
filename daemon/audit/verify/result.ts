// What `cordon audit verify` has to say.
export type ProblemKind =
  | 'edit' // an entry, its hash or its link is another than it was
  | 'deletion' // entries are missing between others
  | 'insertion' // entries between others that were not there
  | 'reordering'
  | 'truncation' // entries are missing at the end
  | 'rollback' // what is kept is an earlier state than one that was signed
  | 'checkpoint' // a signature is false, or a tree another than was signed
  | 'gap' // a gap record and what is missing do not agree
  | 'journal' // a journal lacks records that were not taken in
  | 'damage'; // the file itself cannot be read there

export interface Problem {
  readonly kind: ProblemKind;
  /** Log it is in. */
  readonly origin: string;
  /** Positions, the first and the last. */
  readonly from: number;
  readonly to: number;
  readonly detail: string;
}

export interface VerifiedLog {
  readonly origin: string;
  readonly base: number;
  readonly size: number;
  /** Why it began; empty for the first. */
  readonly reason: string;
  readonly checkpoints: number;
  /** Signatures of known witnesses. */
  readonly cosignatures: number;
  /** Of the key that is in use now. */
  readonly ownKey: boolean;
  /** Size of the largest sound checkpoint. */
  readonly signed: number;
}

export interface VerifyResult {
  readonly ok: boolean;
  readonly entries: number;
  readonly pruned: number;
  readonly journals: number;
  readonly logs: readonly VerifiedLog[];
  readonly problems: readonly Problem[];
}
