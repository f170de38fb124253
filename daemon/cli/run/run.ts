// `cordon run`: asks cordond for a session, attaches to its supervisor, ends as the command ends.
//
// With a terminal at both ends, the session has a terminal of its own and bytes are relayed. Otherwise the supervisor
// takes our descriptors 0, 1 and 2 from this process (pidfd_getfd(2)) and no byte passes through here: nothing in this
// path may read from descriptor 0, or touch process.stdin.
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { cliEnvironment } from '../../config/cli-env.ts';
import { CordonError } from '../../model/errors.ts';
import { exitCordonFailed, reportFailure } from '../failure.ts';
import { parseRun, type RunOptions } from './arguments.ts';
import { body, bytesOf, fields, textOf, type Envelope } from './codec.ts';
import { exitStatus, readSessionExit, summaryJson, summaryText, type SessionExit } from './exit.ts';
import { openLink, type Link } from './link.ts';
import { agentUser, attachMessage, runRequest } from './request.ts';
import { forwardSignals } from './signals.ts';
import type { OwnTerminal } from './terminal.ts';
import { writeDirect } from '../text/direct.ts';

/** After this many milliseconds of silence people are told what is being waited for. */
const patience = 1000;
const firstRequest = 1;

interface Launched {
  readonly session: string;
  readonly attachPath: string;
}

function lost(what: string): CordonError {
  return new CordonError('unavailable', what, {
    fix: 'See what happened: cordon sessions; cordon doctor; the log of cordond (journalctl -u cordond)',
  });
}

/** Sends the request; resolves with the session. */
function launch(path: string, message: readonly Buffer[]): Promise<Launched> {
  return new Promise((resolve, reject) => {
    const link = openLink(path, {
      onFailure: reject,
      onClose: () => {
        reject(lost('cordond closed the connection before the session started'));
      },
      onEnvelope: (envelope) => {
        if (envelope.kind !== body.runAnswer) return;
        const answer = fields(envelope.body);
        resolve({ session: textOf(answer, 1), attachPath: textOf(answer, 2) });
        link.end();
      },
    });
    link.send(firstRequest, body.run, message);
  });
}

/** Attaches; resolves with the exit of the session. */
function attach(session: Launched, terminal: OwnTerminal | undefined): Promise<SessionExit> {
  return new Promise((resolve, reject) => {
    const link: Link = openLink(session.attachPath, {
      onFailure: reject,
      onClose: () => {
        reject(
          lost(`the supervisor of session ${session.session} ended unexpectedly, and the session with it`),
        );
      },
      onEnvelope: (envelope: Envelope) => {
        if (envelope.kind === body.terminalOutput) {
          terminal?.write(bytesOf(fields(envelope.body), 1), link);
        } else if (envelope.kind === body.ack) {
          terminal?.taken();
        } else if (envelope.kind === body.sessionExit) {
          const exit = readSessionExit(envelope.body);
          link.end();
          resolve(exit);
        }
      },
    });
    link.send(firstRequest, body.attach, attachMessage(terminal?.size()));
    forwardSignals(link, {
      suspend: () => {
        if (terminal === undefined) process.kill(process.pid, 'SIGSTOP');
        else terminal.suspend(link);
      },
      giveUp: (signal) => {
        const reason = `${signal} came twice; session ${session.session} was left`;
        resolve({ code: 128 + constants.signals[signal], signal, reason, denied: 0, blocks: [] });
      },
    });
    terminal?.start(link);
  });
}

function patienceNotice(options: RunOptions): () => void {
  if (options.json || options.quiet || !isatty(2)) return () => undefined;
  const timer = setTimeout(
    () => writeDirect(2, 'cordon: waiting for cordond to start the session…\n'),
    patience,
  );
  return () => {
    clearTimeout(timer);
  };
}

async function session(
  options: RunOptions,
  terminal: OwnTerminal | undefined,
): Promise<[string, SessionExit]> {
  const environment = cliEnvironment();
  const user = agentUser(options, process.getuid?.() ?? 0, environment.sudoUser);
  const message = runRequest(options, user, terminal?.size());
  const noticed = patienceNotice(options);
  const launched = await launch(options.socket ?? environment.socket, message).finally(noticed);
  return [launched.session, await attach(launched, terminal)];
}

/** Runs the session with our terminal behind it when there is one, which afterwards is as it was. */
async function withTerminal(options: RunOptions): Promise<[string, SessionExit]> {
  if (!isatty(0) || !isatty(1)) return session(options, undefined);
  const { ownTerminal } = await import('./terminal.ts');
  const terminal = ownTerminal();
  process.on('exit', terminal.restore);
  let ended = false;
  try {
    const result = await session(options, terminal);
    ended = true;
    return result;
  } finally {
    await terminal.settled();
    terminal.restore();
    if (!ended) terminal.calm();
  }
}

/** Runs, reports, and returns our exit status; never throws. */
export async function run(args: readonly string[], socket: string | undefined): Promise<number> {
  const command = args.indexOf('--');
  let json = args.slice(0, command === -1 ? undefined : command).includes('--json');
  try {
    const options = parseRun(args);
    json = options.json;
    const [id, exit] = await withTerminal({ ...options, socket: options.socket ?? socket });
    if (json) writeDirect(2, summaryJson(id, exit));
    else if (!options.quiet) writeDirect(2, summaryText(id, exit));
    return exitStatus(exit);
  } catch (error) {
    writeDirect(2, reportFailure(error, json));
    return exitCordonFailed;
  }
}
