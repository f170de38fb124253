// `cordon audit tail -f` on a terminal while a session records 10,000 actions a second: a real cordond, a real journal, the
// real CLI on a PTY. Run (as root, after npm run build):
//   bash daemon/scripts/node24.sh test/bench/tail.ts [records a second] [seconds]
// The session itself sleeps; this program appends to its journal, as its supervisor would, but without hints: cordond looks
// by itself every quarter of a second. A denial in every 500 records carries its time: lag is from there to the screen.
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { recordText } from '../../daemon/supervisor/record-text.ts';
import { encodeJournalFrame } from '../../daemon/wire/mod.ts';
import { cordonProgram } from '../support/cordon.ts';
import { sampleRecord } from '../support/records.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { onStage, type Stage } from './support/stage.ts';

const rate = Number(process.argv[2] ?? 10_000);
const seconds = Number(process.argv[3] ?? 20);
const every = 500;
/** Numbers that the session's own supervisor does not reach. */
const first = 1_000_001;
const operations = ['open', 'write', 'read', 'create', 'unlink'];

const profile = `cordon: 1
name: tail
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}"] }
exec:
  - { allow: ["**"] }
`;

/** Mutations and reads by a few programs; now and then a denial, each of another object. */
function record(session: string, seq: number): SessionRecord {
  const denied = seq % every === 0;
  return sampleRecord(session, seq, {
    time: Date.now(),
    operation: operations[seq % operations.length] ?? 'open',
    object: denied ? `/tail-${seq}` : `/home/user/src/module-${seq % 997}/index.ts`,
    disposition: denied ? 'denied' : 'allowed',
    process: { pid: 4000 + (seq % 5), exe: '/usr/bin/node', comm: ['node', 'tsc', 'git'][seq % 3] ?? '' },
  });
}

/** Milliseconds that each denial needed to the screen. */
class Lags {
  readonly #sent = new Map<string, number>();
  readonly all: number[] = [];

  sent(object: string): void {
    this.#sent.set(object, performance.now());
  }

  look(output: string): void {
    for (const [object, at] of this.#sent)
      if (output.includes(`${object}\r`)) {
        this.all.push(performance.now() - at);
        this.#sent.delete(object);
      }
  }

  at(share: number): string {
    const sorted = [...this.all].sort((a, b) => a - b);
    return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(0);
  }
}

/** Seconds of processor time that a process has had (proc(5): utime and stime, in ticks of 10 ms). */
function processor(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** At the rate, in steps of ten milliseconds; what a busy machine delays is made up for. */
async function write(path: string, session: string, lags: Lags, look: () => void): Promise<void> {
  const began = performance.now();
  for (let written = 0; written < rate * seconds;) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - began) / 1000) * rate));
    const frames: Buffer[] = [];
    for (; written < due; written++) {
      const made = record(session, first + written);
      if (made.disposition === 'denied') lags.sent(made.object);
      frames.push(encodeJournalFrame(recordText(made)));
    }
    appendFileSync(path, Buffer.concat(frames));
    await pause(10);
    look();
  }
}

const sum = (output: string, pattern: RegExp): number =>
  [...output.matchAll(pattern)].reduce(
    (all, [, number = '1']) => all + Number(number.replaceAll(',', '')),
    0,
  );

async function measure({ cordon, user, workspace }: Stage): Promise<void> {
  const agent = cordon.spawn(['sleep', '1000'], { user, workspace, profile: 'tail' });
  const { session } = await cordon.sessionIn(workspace);
  const journal = join(cordon.stateDir, 'journal', `${session}.journal`);
  const env = { PATH: '/usr/bin:/bin', TERM: 'xterm', CORDON_SOCKET: cordon.socket };
  const tail = new Terminal([cordonProgram, 'audit', 'tail', '-f', '--session', session], {
    cwd: '/',
    env,
    columns: 200,
  });
  await tail.shows('sleep');
  const ids = new RegExp(String.raw`${session}-1\d{6} `, 'g');
  const summed = / ([\d,]+) more in this second/g;
  const lags = new Lags();
  const look = (): void => lags.look(tail.output);
  // What the launch recorded is told first.
  await pause(2000);
  const launched = sum(tail.output, summed);
  const before = [processor(cordon.daemonPid), processor(tail.pid)];
  const began = performance.now();
  await write(journal, session, lags, look);
  const took = (performance.now() - began) / 1000;
  const all = rate * seconds;
  const summarised = (): number => sum(tail.output, summed) - launched;
  const seen = (): number => sum(tail.output, ids) + summarised();
  await until('all is told', () => (look(), seen() >= all), {
    within: 60_000,
    evidence: () => `${seen()} of ${all}`,
  });
  const spent = [processor(cordon.daemonPid), processor(tail.pid)].map(
    (after, i) => after - (before[i] ?? 0),
  );
  const each = (share = 0): string => ((share / all) * 1e6).toFixed(0);
  console.log(`\naudit tail -f: ${all} records in ${took.toFixed(1)} s (${Math.round(all / took)}/s)`);
  console.log(`  shown ${sum(tail.output, ids)}, summarised ${summarised()}; together ${seen()}`);
  console.log(
    `  lag of ${lags.all.length} denials: median ${lags.at(0.5)} ms, 95% ${lags.at(0.95)} ms, longest ${lags.at(1)} ms`,
  );
  console.log(`  processor time a record: cordond ${each(spent[0])} µs, the CLI ${each(spent[1])} µs`);
  tail.kill();
  agent.kill('SIGKILL');
}

await onStage({ tail: profile }, measure);
