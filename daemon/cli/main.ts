// Entry of the `cordon` command. `cordon run` goes straight to its own small code: it is on the path of every launch.
// Everything else is loaded when it is asked for (a bundle of its own, see daemon/scripts/build.ts).
import { run } from './run/run.ts';

interface Request {
  readonly run: boolean;
  readonly socket: string | undefined;
  readonly json: boolean;
  readonly rest: readonly string[];
}

/** Looks past the global options for the verb. */
function read(args: readonly string[]): Request {
  let at = 0;
  let socket: string | undefined;
  let json = false;
  for (; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--socket') socket = args[++at];
    else if (arg.startsWith('--socket=')) socket = arg.slice('--socket='.length);
    else if (arg === '--json') json = true;
    else break;
  }
  const rest = args.slice(at + 1);
  const help = rest[0] === '--help' || rest[0] === '-h';
  return { run: args[at] === 'run' && !help, socket, json, rest };
}

const request = read(process.argv.slice(2));
if (request.run) {
  void run(request.json ? ['--json', ...request.rest] : request.rest, request.socket).then((status) =>
    process.exit(status),
  );
} else {
  void import('./program.ts').then(({ main }) => main(process.argv.slice(2)));
}
