// One probe of `cordon doctor`: it finds out whether a layer works on this machine by using it, in a process that is
// thrown away afterwards.
import type { DoctorCheck } from '../../wire/mod.ts';

/** ok: works. warn: Cordon runs, with less. fail: a session cannot be launched, or a layer would be missing. */
export type CheckState = 'ok' | 'warn' | 'fail';

export interface Check extends DoctorCheck {
  readonly state: CheckState;
}

export interface DoctorSettings {
  readonly stateDir: string;
  readonly runDir: string;
}

export interface ProbeContext extends DoctorSettings {
  /** An empty directory of the probe's own, removed after it. */
  readonly stage: string;
}

/** What was found; `fix` replaces the probe's own advice. */
export interface Finding {
  readonly state: CheckState;
  readonly detail: string;
  readonly fix?: string;
}

export interface Probe {
  /** As `cordon doctor` prints it; a layer has its name in the model. */
  readonly name: string;
  /** What to do when it is not ok. */
  readonly fix: string;
  /** May confine or damage the process it runs in. Throwing is a failure with the error's message. */
  readonly run: (context: ProbeContext) => Finding | Promise<Finding>;
}

export const ok = (detail: string): Finding => ({ state: 'ok', detail });
export const warn = (detail: string, fix?: string): Finding => finding('warn', detail, fix);
export const fail = (detail: string, fix?: string): Finding => finding('fail', detail, fix);

function finding(state: CheckState, detail: string, fix: string | undefined): Finding {
  return fix === undefined ? { state, detail } : { state, detail, fix };
}

export function checkOf(probe: Probe, found: Finding): Check {
  const fix = found.state === 'ok' ? '' : (found.fix ?? probe.fix);
  return { name: probe.name, state: found.state, detail: found.detail, fix };
}
