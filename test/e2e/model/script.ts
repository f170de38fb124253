// What a scripted model does: a list of steps, one tool call each, in the words of what it wants done. Each server
// says them in its own agent's tools.

/** One thing the model asks its agent to do. Paths are absolute. */
export type Step =
  | { readonly name: string; readonly do: 'shell'; readonly command: string }
  | { readonly name: string; readonly do: 'read'; readonly path: string }
  | { readonly name: string; readonly do: 'write'; readonly path: string; readonly content: string }
  | {
      readonly name: string;
      readonly do: 'edit';
      readonly path: string;
      readonly old: string;
      readonly new: string;
    };

export interface Script {
  readonly steps: readonly Step[];
  /** What the model says when all steps are done. */
  readonly farewell: string;
}

/** What the agent sent back for one step. */
export interface StepResult {
  readonly step: string;
  readonly text: string;
  readonly isError: boolean;
}

/** One request that reached the server, for the failure output of a test. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly note: string;
}

export const callId = (index: number): string => `call_${String(index).padStart(3, '0')}`;

export const callIndex = (id: string): number => {
  const m = /^call_(\d{3})$/.exec(id);
  return m ? Number(m[1]) : -1;
};
