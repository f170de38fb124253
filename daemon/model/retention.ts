// How long records are kept, and what happens when there is no room for more.

/** By class of record (`RecordClass` of the events), or `default`. */
export interface RetentionSettings {
  /** Milliseconds that records of a class are kept; without a class and without `default` for ever. */
  readonly keep: Readonly<Record<string, number>>;
  /** Bytes that the log may take; undefined: as much as there is room. */
  readonly size?: number;
  /**
   * When it takes that much and nothing that is uploaded is left to go: `deny` takes nothing more in, so that in the end
   * actions are denied; `overwrite` lets the oldest go although nobody else has them.
   */
  readonly whenFull: 'deny' | 'overwrite';
}

/** Everything is kept until somebody says otherwise. */
export const keepForEver: RetentionSettings = { keep: {}, whenFull: 'deny' };
