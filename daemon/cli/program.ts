// The table of verbs as a commander program: parsing, help, errors, exit status.
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { cliEnvironment } from '../config/cli-env.ts';
import { CordonError, version } from '../model/mod.ts';
import { daemonAt } from './daemon.ts';
import { exitFailed, exitUsage, reportFailure } from './failure.ts';
import { verbs } from './table.ts';
import { colours } from './text/colour.ts';
import type { Verb, VerbContext } from './verb.ts';

const groupSummaries: Readonly<Record<string, string>> = {
  policy: 'profiles: check, show, test',
  audit: 'the record',
  secret: 'what settings name and the vault holds',
  attest: 'what this machine proves of itself',
  verifier: 'judging what machines prove',
  token: 'capability tokens: mint, check, revoke',
  completion: 'shell completion',
};

type Options = Record<string, string | boolean | undefined>;

function contextOf(options: Options, operands: readonly string[]): VerbContext {
  const environment = cliEnvironment();
  const socket = typeof options['socket'] === 'string' ? options['socket'] : environment.socket;
  return {
    daemon: daemonAt(socket),
    operands,
    options,
    json: options['json'] === true,
    colours: colours(isatty(1) && !environment.plain),
    now: Date.now(),
    out: (...lines) => process.stdout.write(lines.map((line) => `${line}\n`).join('')),
  };
}

function addVerb(parent: Command, verb: Verb, finish: (status: number) => void): void {
  const command = parent.command(verb.name.split(' ').at(-1) ?? verb.name).description(verb.summary);
  for (const operand of verb.operands) command.argument(operand);
  for (const option of verb.options) command.option(option.flags, option.summary);
  command.option('--json', 'machine-readable output, shapes in CLI.md');
  command.action(async () => {
    const action = await verb.load();
    finish(await action(contextOf(command.optsWithGlobals<Options>(), command.args)));
  });
}

function groupOf(program: Command, groups: Map<string, Command>, name: string): Command {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const group = program.command(name).description(groupSummaries[name] ?? '');
  groups.set(name, group);
  return group;
}

function buildProgram(finish: (status: number) => void): Command {
  const program = new Command('cordon')
    .description('Runs autonomous agents in a sandbox that decides, records and explains every action.')
    .option('--socket <path>', 'admin socket of cordond (CORDON_SOCKET, /run/cordon/admin.sock)')
    .option('--json', 'machine-readable output, shapes in CLI.md')
    .version(version)
    .showSuggestionAfterError()
    // Reported in our own form, by statusOf.
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  const groups = new Map<string, Command>();
  for (const verb of verbs) {
    const [first = '', second] = verb.name.split(' ');
    addVerb(second === undefined ? program : groupOf(program, groups, first), verb, finish);
  }
  return program;
}

/** A reader of ours that went away (`cordon blocks | head`) is no error. */
function tolerateClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : exitFailed);
  });
}

/** Commander's `error: what\n(Did you mean x?)`. */
const usageError = ({ message }: CommanderError): CordonError =>
  new CordonError('config-invalid', message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '), {
    fix: 'cordon --help lists the verbs, cordon VERB --help what each takes',
  });

function statusOf(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    // Exit code 0 is help or version; `commander.help` is the help of a group that got no verb.
    if (error.exitCode === 0) return 0;
    if (error.code !== 'commander.help') process.stderr.write(reportFailure(usageError(error), json));
    return exitUsage;
  }
  process.stderr.write(reportFailure(error, json));
  return error instanceof CordonError && error.code === 'config-invalid' ? exitUsage : exitFailed;
}

/** Parses, runs the verb, sets the exit status. */
export async function main(args: readonly string[]): Promise<void> {
  tolerateClosedPipe();
  const program = buildProgram((status) => (process.exitCode = status));
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = statusOf(error, args.includes('--json'));
  }
}
