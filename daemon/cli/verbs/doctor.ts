// `cordon doctor`: the daemon probes every layer by using it; without a daemon, what can be read without rights.
import { CordonError } from '../../model/mod.ts';
import type { DoctorCheck } from '../../wire/mod.ts';
import { localChecks } from '../local-checks.ts';
import { columns, type Paint } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

/** Milliseconds: twenty probes start a process each, and one that hangs is given up after a minute. */
const patience = 300_000;

async function daemonChecks({
  daemon,
}: VerbContext): Promise<{ reached: boolean; checks: readonly DoctorCheck[] }> {
  try {
    const answer = await daemon.ask('doctor', {}, 'doctorAnswer', patience);
    return {
      reached: true,
      checks: [{ name: 'daemon', state: 'ok', detail: daemon.path, fix: '' }, ...answer.checks],
    };
  } catch (error) {
    if (!(error instanceof CordonError) || error.code !== 'unavailable') throw error;
    const down = { name: 'daemon', state: 'fail', detail: error.message, fix: error.facts.fix ?? '' };
    return { reached: false, checks: [down, ...localChecks()] };
  }
}

function lines(checks: readonly DoctorCheck[], { colours }: VerbContext): string[] {
  const paint: Paint = (cell, column, row) => {
    const state = checks[row]?.state;
    if (column !== 0) return cell;
    return state === 'ok' ? colours.green(cell) : state === 'warn' ? colours.yellow(cell) : colours.red(cell);
  };
  const rows = columns(
    [],
    checks.map((check) => [check.state, check.name, check.detail]),
    paint,
  );
  return checks.flatMap((check, index) => [
    rows[index] ?? '',
    ...(check.fix === '' || check.state === 'ok' ? [] : [`      → ${printable(check.fix)}`]),
  ]);
}

export const doctor: VerbAction = async (context) => {
  const { reached, checks } = await daemonChecks(context);
  const failed = checks.filter((check) => check.state !== 'ok' && check.state !== 'warn').length;
  if (context.json) context.out(JSON.stringify({ ok: failed === 0, daemon: reached, checks }));
  else {
    context.out(...lines(checks, context));
    if (!reached) context.out('cordond does not run: only what can be read without it was checked.');
    context.out(
      failed === 0 ? 'Everything needed is in force.' : `${failed} of ${checks.length} checks failed.`,
    );
  }
  return failed === 0 ? 0 : 1;
};
