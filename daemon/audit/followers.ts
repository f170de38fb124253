// Who is told of entries once they are committed.
import { recordOf } from '../ocsf/mod.ts';
import type { KeptRecord } from './entries-table.ts';

export type Follower = (records: readonly KeptRecord[]) => void;

/** An entry on its way to followers: what readers are shown is made when somebody reads. */
export interface Told {
  readonly position: number;
  readonly subject: string;
  readonly denied: boolean;
  readonly time: number;
  readonly event: { readonly text: string };
}

export class Followers {
  readonly #all = new Set<Follower>();

  /** Returns the way to stop. */
  add(follower: Follower): () => void {
    this.#all.add(follower);
    return () => void this.#all.delete(follower);
  }

  tell(told: readonly Told[]): void {
    if (told.length === 0 || this.#all.size === 0) return;
    const records = told.map(lazily);
    for (const follower of this.#all) {
      try {
        follower(records);
      } catch {
        // It cannot be told; those who can are, and what was recorded stands.
        this.#all.delete(follower);
      }
    }
  }
}

/** What a follower is shown is made when it looks. */
const lazily = ({ event, ...rest }: Told): KeptRecord => ({
  ...rest,
  get json() {
    return JSON.stringify(recordOf(event.text));
  },
});
