// `cordon run` when it came through the table: main.ts takes the direct way, and this one serves global options in
// unusual places. Same code, same behaviour.
import { run } from '../run/run.ts';
import type { VerbAction } from '../verb.ts';

export const runVerb: VerbAction = async (context) => {
  const at = process.argv.indexOf('run');
  return run(process.argv.slice(at + 1), context.daemon.path);
};
