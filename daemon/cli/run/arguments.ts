// The command line of `cordon run`, read by hand so that a launch loads no argument parser. `cordon run --help` and
// completion know the same options from the verb table.
import { CordonError } from '../../model/errors.ts';

export interface RunOptions {
  readonly profile: string;
  readonly workspace: string | undefined;
  readonly mode: string;
  readonly user: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly socket: string | undefined;
  /** How many of the last arguments are the command. */
  readonly commandLength: number;
}

const valued = new Set(['--profile', '--workspace', '--mode', '--user', '--socket']);
const modes = new Set(['enforce', 'monitor']);

const usage = (message: string): CordonError =>
  new CordonError('config-invalid', message, {
    fix: 'Usage: cordon run [--profile P] [--workspace DIR] [--mode M] [--user U] [--json] [--quiet] -- CMD…',
  });

interface Scan {
  readonly values: Map<string, string>;
  readonly flags: Set<string>;
  commandAt: number;
}

function scan(args: readonly string[]): Scan {
  const found: Scan = { values: new Map(), flags: new Set(), commandAt: args.length };
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--' || !arg.startsWith('-')) return { ...found, commandAt: arg === '--' ? at + 1 : at };
    const [name = '', ...rest] = arg.split('=');
    if (valued.has(name)) {
      const value = rest.length > 0 ? rest.join('=') : args[++at];
      if (value === undefined || value === '') throw usage(`${name} needs a value`);
      found.values.set(name, value);
    } else if (arg === '--json' || arg === '--quiet' || arg === '-q') found.flags.add(arg);
    else throw usage(`cordon run does not know the option ${arg}`);
  }
  return found;
}

/** Options up to the first `--` or the first word that is not an option; the rest is the command, untouched. */
export function parseRun(args: readonly string[]): RunOptions {
  const { values, flags, commandAt } = scan(args);
  const mode = values.get('--mode') ?? '';
  if (mode === 'dry-run') throw usage('--mode dry-run does not exist yet: use monitor');
  if (mode !== '' && !modes.has(mode)) throw usage(`--mode ${mode} is not one of enforce, monitor`);
  if (commandAt >= args.length) throw usage('no command was given');
  return {
    profile: values.get('--profile') ?? '',
    workspace: values.get('--workspace'),
    mode,
    user: values.get('--user'),
    json: flags.has('--json'),
    quiet: flags.has('--quiet') || flags.has('-q'),
    socket: values.get('--socket'),
    commandLength: args.length - commandAt,
  };
}
