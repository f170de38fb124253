// `cordon doctor`: which layers work on this machine. Each probe runs in a process of its own, so that nothing of the
// daemon is confined by accident, and a probe that hangs or crashes is a finding and not an outage.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkOf, fail } from './doctor/probe.ts';
import type { Check, DoctorSettings, Probe, ProbeContext } from './doctor/probe.ts';
import { probes } from './doctor/probes.ts';

export type { Check, CheckState, DoctorSettings } from './doctor/probe.ts';

/** How the probes are started. */
export interface ProbeHost {
  /** Program that runs one probe: beside this file, as source in the repository, bundled in dist/. */
  readonly entry: string;
  /** Milliseconds after which a probe hangs. */
  readonly patience: number;
  /** Probes at a time. */
  readonly width: number;
}

const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const usual: ProbeHost = {
  entry: fileURLToPath(new URL(`./doctor-probe.${suffix}`, import.meta.url)),
  patience: 60_000, // far above what any probe takes, on slow machines too
  width: 4,
};

/** All checks, in the order of `probes`. Never rejects for a layer that does not work. */
export async function runDoctor(settings: DoctorSettings, host: ProbeHost = usual): Promise<Check[]> {
  const checks: Check[] = [];
  const waiting = [...probes.entries()];
  const takeTurns = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      checks[next[0]] = await runProbe(next[1], settings, host);
    }
  };
  await Promise.all(Array.from({ length: host.width }, takeTurns));
  return checks;
}

async function runProbe(probe: Probe, settings: DoctorSettings, host: ProbeHost): Promise<Check> {
  const stage = mkdtempSync(join(settings.runDir, 'doctor-'));
  try {
    return await start(probe, { stateDir: settings.stateDir, runDir: settings.runDir, stage }, host);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** The probe ends itself with SIGKILL: what it printed tells, and not its exit status. */
function start(probe: Probe, context: ProbeContext, { entry, patience }: ProbeHost): Promise<Check> {
  const args = ['--disable-warning=ExperimentalWarning', entry, probe.name, JSON.stringify(context)];
  const options = { env: {}, timeout: patience, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 };
  const begun = performance.now();
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (_, stdout, stderr) => {
      resolve(parse(probe, stdout) ?? silent(probe, performance.now() - begun >= patience, stderr));
    });
  });
}

/** A finding may come from a process that is not in its right mind: checked like any input. */
function parse(probe: Probe, stdout: string): Check | undefined {
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) return undefined;
  const { state, detail, fix } = JSON.parse(line) as Record<string, unknown>;
  if (state !== 'ok' && state !== 'warn' && state !== 'fail') return undefined;
  if (typeof detail !== 'string' || typeof fix !== 'string') return undefined;
  return { name: probe.name, state, detail, fix };
}

function silent(probe: Probe, hung: boolean, stderr: string): Check {
  const said = stderr.trim().split('\n').at(-1) ?? '';
  const what = hung ? 'hung and was ended' : 'ended without a result';
  return checkOf(probe, fail(said === '' ? `the probe ${what}` : `the probe ${what}: ${said}`));
}
