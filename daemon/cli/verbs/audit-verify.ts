// `cordon audit verify`: the daemon's log (by the daemon, or as root from its database), or an exported file.
import { spawn } from 'node:child_process';
import { createReadStream, statSync, type ReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CordonError } from '../../model/mod.ts';
import { checkExport, parseVerifierKey } from '../../proof/mod.ts';
import { progressBar } from '../bar.ts';
import { linesOf as linesOfFile } from '../lines.ts';
import { printable } from '../text/printable.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

interface Problem {
  readonly kind: string;
  readonly origin: string;
  readonly from: number;
  readonly to: number;
  readonly detail: string;
}

interface Result {
  readonly ok: boolean;
  readonly entries: number;
  readonly pruned: number;
  readonly journals: number;
  readonly logs: readonly {
    readonly origin: string;
    readonly size: number;
    readonly reason: string;
    readonly checkpoints: number;
    readonly cosignatures: number;
    readonly ownKey: boolean;
    readonly signed: number;
  }[];
  readonly problems: readonly Problem[];
}

type Line =
  | { readonly done: number; readonly total: number }
  | { readonly result: Result }
  | { readonly error: string };

const defaultDatabase = '/var/lib/cordon/cordon.db';
const witnessesOf = ({ options }: VerbContext): string[] => {
  const given: unknown = options['witness'];
  return Array.isArray(given) ? (given as string[]) : [];
};

/** Lines of the process that verifies, which is started here. */
async function* fromDatabase(context: VerbContext, database: string): AsyncGenerator<string> {
  const bundled = import.meta.url.endsWith('.js');
  const script = fileURLToPath(
    new URL(bundled ? '../audit-verify.js' : '../../audit/verify/main.ts', import.meta.url),
  );
  const checkpoint = textOption(context, 'checkpoint');
  const args = [
    ...['--disable-warning=ExperimentalWarning', script, '--database', database],
    ...witnessesOf(context).flatMap((key) => ['--witness', key]),
    ...(checkpoint === undefined ? [] : ['--checkpoint', checkpoint]),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  yield* createInterface({ input: child.stdout });
}

async function* fromDaemon({ daemon }: VerbContext): AsyncGenerator<string> {
  for await (const { kind, body } of daemon.stream('verify', {}))
    if (kind === 'verifyAnswer') yield body.json;
}

/** The daemon, unless it cannot be reached and root asks, or options are given that only the database answers. */
async function* linesOf(context: VerbContext): AsyncGenerator<string> {
  const named = textOption(context, 'database');
  const own = textOption(context, 'checkpoint') !== undefined || witnessesOf(context).length > 0;
  if (named !== undefined || own) {
    yield* fromDatabase(context, named ?? defaultDatabase);
    return;
  }
  try {
    yield* fromDaemon(context);
  } catch (error) {
    const down = error instanceof CordonError && error.code === 'unavailable' && process.getuid?.() === 0;
    if (!down) throw error;
    yield* fromDatabase(context, defaultDatabase);
  }
}

async function resultOf(context: VerbContext): Promise<Result> {
  const bar = progressBar('verifying');
  try {
    for await (const text of linesOf(context)) {
      const line = JSON.parse(text) as Line;
      if ('result' in line) return line.result;
      if ('error' in line)
        throw new CordonError('unavailable', `the log cannot be verified: ${line.error}`, {
          fix: 'name the database (--database), as root',
        });
      bar.show(line.done, line.total);
    }
  } finally {
    bar.end();
  }
  throw new CordonError('internal', 'the verification ended without a result');
}

const count = (value: number): string => value.toLocaleString('en');

function logLines({ logs, entries, pruned, problems, ok }: Result, { colours }: VerbContext): string[] {
  const of = logs.flatMap(({ origin, size, reason, checkpoints, cosignatures, ownKey, signed }) => [
    `${printable(origin)}: ${count(size)} entries, ${count(checkpoints)} checkpoints, signed up to ${count(signed)}` +
      `${cosignatures > 0 ? `, ${count(cosignatures)} cosignatures` : ''}${ownKey ? '' : ', by a key that is not in use here'}`,
    ...(reason === '' ? [] : [`  it began because ${printable(reason)}`]),
  ]);
  const wrong = problems.map(({ kind, from, to, detail }) => {
    const where = from === to ? `entry ${from}` : `entries ${from} to ${to}`;
    return `${colours.red(kind)}  ${where}: ${printable(detail)}`;
  });
  const gone = pruned > 0 ? `; of ${count(pruned)} only the hashes are kept` : '';
  const end = ok
    ? colours.green(`${count(entries)} entries verified${gone}: nothing was changed.`)
    : `${count(entries)} entries looked at${gone}: ${colours.red(`${problems.length} problems`)}.`;
  return [...of, ...wrong, end];
}

/** Its lines, with a bar that tells how much of it was read. */
async function* exportLines(input: ReadStream, file: string): AsyncGenerator<string> {
  const bar = progressBar('checking bytes');
  try {
    const { size } = statSync(file);
    for await (const line of linesOfFile(input)) {
      bar.show(Math.min(input.bytesRead, size), size);
      yield line;
    }
  } finally {
    bar.end();
  }
}

async function verifyFile(context: VerbContext, file: string): Promise<boolean> {
  const key = textOption(context, 'key');
  const witnesses = witnessesOf(context).map(parseVerifierKey);
  const trust = { key: key === undefined ? undefined : parseVerifierKey(key), witnesses };
  const input = createReadStream(file);
  const opened = new Promise<never>((_, reject) => input.once('error', reject));
  const result = await Promise.race([checkExport(exportLines(input, file), trust), opened]).catch(
    (error: unknown) => {
      if (error instanceof CordonError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new CordonError('not-found', `cannot read the export: ${why}`, {
        fix: 'cordon audit export --out FILE makes one',
      });
    },
  );
  const { ok, entries, pruned, trusted, checkpoint, cosignatures, problems, header } = result;
  if (context.json) {
    const { origin, host, from, to } = header;
    const size = checkpoint?.size ?? 0;
    context.out(
      JSON.stringify({
        ok,
        file,
        origin,
        host,
        from,
        to,
        entries,
        pruned,
        trusted,
        size,
        cosignatures,
        problems,
      }),
    );
    return ok;
  }
  const { colours } = context;
  context.out(
    ...problems.map(({ kind, position, detail }) => {
      return `${colours.red(kind)}  ${position === undefined ? '' : `entry ${position}: `}${printable(detail)}`;
    }),
    ok
      ? colours.green(
          `${count(entries)} entries of ${printable(header.origin)} (${printable(header.host)}) are as they were signed.`,
        )
      : `${count(entries)} entries looked at: ${colours.red(`${problems.length} problems`)}.`,
    ...(trusted
      ? []
      : ['The key is the one that the file itself names: give --key to know whose log it is.']),
  );
  return ok;
}

/** An option that nobody looked at would have people believe what was not checked. */
function onlyFor(file: string | undefined, context: VerbContext): void {
  const others = file === undefined ? ['key'] : ['checkpoint', 'database'];
  const other = others.find((name) => textOption(context, name) !== undefined);
  if (other === undefined) return;
  throw new CordonError(
    'config-invalid',
    `--${other} is ${file === undefined ? 'for an exported file' : 'not for an exported file'}`,
    { fix: file === undefined ? 'name it: --file EXPORT' : `leave out --file, or --${other}` },
  );
}

export const auditVerify: VerbAction = async (context) => {
  const file = textOption(context, 'file');
  onlyFor(file, context);
  if (file !== undefined) return (await verifyFile(context, file)) ? 0 : 1;
  const result = await resultOf(context);
  if (context.json) context.out(JSON.stringify(result));
  else context.out(...logLines(result, context));
  return result.ok ? 0 : 1;
};
