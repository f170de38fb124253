// What is shipped, and between whom: a source gives batches and takes acknowledgements, a sink takes batches.
import type { WitnessSettings } from '../model/mod.ts';

/** One leaf of the log. */
export interface Entry {
  /** In the log, from 0 without holes. */
  readonly position: number;
  /** `metadata.uid`: what a sink deduplicates by. */
  readonly uid: string;
  readonly session: string;
  readonly recordClass: string;
  /** The canonical bytes that are hashed: UTF-8. */
  readonly text: Uint8Array;
  /** SHA-256(0x00 ‖ text), RFC 6962. */
  readonly leaf: Uint8Array;
  /** SHA-256(chain of the entry before ‖ leaf). */
  readonly chain: Uint8Array;
}

/** A C2SP tlog-checkpoint. */
export interface Checkpoint {
  readonly size: number;
  readonly note: string;
}

export interface Batch {
  /** In the order of their positions. */
  readonly entries: readonly Entry[];
  /** Position behind the batch: everything below is in it, or is not for this sink. */
  readonly through: number;
  /** There is more beyond it now. */
  readonly more: boolean;
  /** Newer than the one the sink has. */
  readonly checkpoint?: Checkpoint;
}

/** What became of a batch. */
export interface Delivery {
  /** Entries from the first on, without a gap, that the sink has acknowledged or refused for good. */
  readonly accepted: number;
  /** Of them, those it said it had already. */
  readonly duplicates?: number;
  /** Of them, those it said it will never take, and its words. */
  readonly refused?: number;
  readonly refusal?: string;
  /** Bytes that went over the network or into the file. */
  readonly bytes: number;
  /** Said by the sink beside success. */
  readonly warning?: string;
  /** Why it stopped there; absent: the whole batch, checkpoint included, is at the sink. */
  readonly error?: SinkError;
}

export interface Sink {
  /** Never rejects. Not called again before it has settled. */
  deliver(entries: readonly Entry[], checkpoint: Checkpoint | undefined): Promise<Delivery>;
  close(): void;
}

export interface Acknowledgement {
  readonly through: number;
  readonly records: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly refusal: string;
  readonly bytes: number;
  readonly cosigned?: Cosigned;
}

/** Note signature lines of a witness over the checkpoint of this size. */
export interface Cosigned {
  readonly size: number;
  readonly signatures: string;
}

export interface SinkReport {
  readonly state: 'sending' | 'idle' | 'waiting' | 'paused';
  readonly error: string;
  readonly fix: string;
  /** Unix time in milliseconds; 0: now. */
  readonly nextTry: number;
  readonly warning: string;
}

/** The log, as one sink sees it. What it throws ends the pump. */
export interface Source {
  next(from: number, limit: number, checkpoint: number): Promise<Batch>;
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  /** RFC 6962 consistency proof between two sizes of the log. */
  proof(from: number, to: number): Promise<readonly Uint8Array[]>;
  report(report: SinkReport): void;
}

/** Asks a witness to cosign. Rejects with SinkError. */
export interface Witness {
  readonly settings: WitnessSettings;
  cosign(checkpoint: Checkpoint, proof: Source['proof']): Promise<Cosigned>;
}

export interface SinkErrorFacts {
  /** What to do. */
  readonly fix?: string;
  /** Milliseconds that the sink asked us to wait. */
  readonly retryAfter?: number;
}

/** Why a sink did not take a batch. It is always tried again: an error gives nothing up. */
export class SinkError extends Error {
  readonly facts: SinkErrorFacts;
  constructor(message: string, facts: SinkErrorFacts = {}) {
    super(message);
    this.name = 'SinkError';
    this.facts = facts;
  }
}

export const sinkError = (error: unknown): SinkError =>
  error instanceof SinkError ? error : new SinkError(error instanceof Error ? error.message : String(error));
