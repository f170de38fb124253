// Runs the CLI, bundled as for dist/ but from the sources as they are now, as a test's child, and says what it wrote
// and how it ended. Built below node_modules, where native packages are found.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { bundleCli, root } from '../../daemon/scripts/bundle.ts';

const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const bundle = mkdtempSync(join(cache, 'cordon-cli-'));
await bundleCli(bundle);
t.teardown(() => rmSync(bundle, { recursive: true }));

/** For Node. */
export const mainFile = join(bundle, 'cordon.cjs');

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
}

export interface Start {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Nothing of the test's own environment but the path: results are the same on every machine. */
export function startCordon(args: readonly string[], { input, env, cwd }: Start = {}): Running {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile, ...args], {
    env: { PATH: '/usr/bin:/bin', TZ: 'UTC', ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  child.stdin?.end(input);
  const { promise, resolve } = Promise.withResolvers<{
    status: number | null;
    signal: NodeJS.Signals | null;
  }>();
  child.once('close', (status, signal) => resolve({ status, signal }));
  const read = (stream: NodeJS.ReadableStream | null) =>
    stream === null ? Promise.resolve('') : text(stream);
  const outcome = Promise.all([promise, read(child.stdout), read(child.stderr)]).then(
    ([end, stdout, stderr]) => ({
      ...end,
      stdout,
      stderr,
    }),
  );
  return { child, outcome };
}

export const cordon = (args: readonly string[], start: Start = {}): Promise<Outcome> =>
  startCordon(args, start).outcome;
