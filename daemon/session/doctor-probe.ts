// Process entry: runs one probe of `cordon doctor`, prints its check as one line of JSON, and ends. Whatever the probe
// has done to this process (namespaces, filters, identity) ends with it. Its worker thread is the confined half of the
// seccomp notification probe.
import { writeSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';
import { confinedOpen } from './doctor/confinement.ts';
import { checkOf } from './doctor/probe.ts';
import type { Check, Probe, ProbeContext } from './doctor/probe.ts';
import { probes } from './doctor/probes.ts';
import { circumstances, explainRefusal } from './doctor/refusal.ts';

async function check(probe: Probe, context: ProbeContext): Promise<Check> {
  const before = circumstances();
  try {
    return checkOf(probe, await probe.run(context));
  } catch (error) {
    return checkOf(probe, explainRefusal(error, before));
  }
}

async function main(name: string | undefined, context: string | undefined): Promise<void> {
  const probe = probes.find((candidate) => candidate.name === name);
  if (probe === undefined || context === undefined)
    throw new Error(`doctor-probe: no probe named ${String(name)}`);
  const found = await check(probe, JSON.parse(context) as ProbeContext);
  // The descriptor and not the stream: a confined process may not be able to set up the stream any more.
  writeSync(1, `${JSON.stringify(found)}\n`);
  process.kill(process.pid, 'SIGKILL');
}

if (isMainThread) await main(process.argv[2], process.argv[3]);
else confinedOpen(workerData as Int32Array);
