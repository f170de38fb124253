// Our own terminal while an agent has one of its own behind it: raw mode, bytes in and out, window size, and always
// back to what it was.
import { spawn } from 'node:child_process';
import { ReadStream } from 'node:tty';
import { body, bytes, flag, number } from './codec.ts';
import type { Link } from './link.ts';
import type { WindowSize } from './request.ts';

/** Bytes of terminal input in one message, and sent without being acknowledged: no more is read meanwhile. */
const inputChunk = 16_384;
const inputWindow = 131_072;
/** Request numbers of input: 1 is the attaching. */
const firstInput = 2;
/** For a session that ended without its program: no mouse reports, no bracketed paste, main screen, cursor, colours. */
const calm =
  '\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1006l\u001b[?2004l\u001b[?1049l\u001b[?25h\u001b[0m\r\n';

export interface OwnTerminal {
  size(): WindowSize;
  /** Raw mode on, keys and window changes to the session. */
  start(link: Link): void;
  write(data: Buffer, link: Link): void;
  /** The session's terminal has taken the oldest input that it had not. */
  taken(): void;
  /** Raw mode off, nothing read any more. Safe to call more than once, but only after `settled`. */
  readonly restore: () => void;
  /** Resolves when nothing of ours is changing the terminal's mode any more. */
  settled(): Promise<void>;
  /** Undoes what a program that died left switched on. */
  calm(): void;
  /** Restore, stop as job control asked, and carry on when continued. */
  suspend(link: Link): void;
}

/**
 * libuv's raw mode leaves output processing on (ONLCR), so that the line feed of a full-screen program would become
 * CR LF: the session's own terminal has done that already where it is wanted. Leaving raw mode undoes this too.
 */
function plainOutput(): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      resolve();
    };
    spawn('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })
      .once('close', done)
      .once('error', done);
  });
}

export function ownTerminal(): OwnTerminal {
  // A tty.WriteStream here. Only this one learns of SIGWINCH.
  const output = process.stdout;
  let input: ReadStream | undefined;
  let settled = Promise.resolve();
  const size = (): WindowSize => ({ rows: output.rows, columns: output.columns });
  /** Lengths of what was sent and not acknowledged, oldest first; answers come in the order of requests. */
  const sent: number[] = [];
  let [untaken, nextRequest, reading] = [0, firstInput, false];
  const onData = (link: Link, data: Buffer): void => {
    for (let at = 0; at < data.length; at += inputChunk) {
      const chunk = data.subarray(at, at + inputChunk);
      link.send(nextRequest++, body.terminalInput, bytes(1, chunk));
      untaken += chunk.length;
      sent.push(chunk.length);
    }
    if (untaken >= inputWindow) input?.pause();
  };
  const taken = (): void => {
    untaken -= sent.shift() ?? 0;
    if (reading && untaken < inputWindow) input?.resume();
  };
  const resize = (link: Link): void => {
    const { rows, columns } = size();
    link.send(0, body.terminalResize, [...number(1, rows), ...number(2, columns)]);
  };
  /** Nothing of the session is read, so nothing shown, before the mode is right. */
  const enterRaw = (link: Link): void => {
    input?.setRawMode(true);
    link.socket.pause();
    settled = plainOutput().then(() => {
      link.socket.resume();
    });
    reading = true;
    if (untaken < inputWindow) input?.resume();
  };
  const restore = (): void => {
    if (input === undefined || input.destroyed) return;
    reading = false;
    input.setRawMode(false);
    input.pause();
  };
  return {
    size,
    restore,
    taken,
    start(link) {
      input = new ReadStream(0);
      input.on('data', (data: Buffer) => {
        onData(link, data);
      });
      // A terminal that hung up: its session learns of it as of an end of input.
      const ended = (): boolean => link.send(0, body.terminalInput, flag(2, true));
      input.once('end', ended).on('error', ended);
      output.on('error', restore);
      output.on('resize', () => {
        resize(link);
      });
      enterRaw(link);
      resize(link);
    },
    write(data, link) {
      if (output.write(data)) return;
      link.socket.pause();
      output.once('drain', () => link.socket.resume());
    },
    settled: () => settled,
    calm() {
      if (input !== undefined) output.write(calm);
    },
    suspend(link) {
      process.once('SIGCONT', () => {
        enterRaw(link);
        resize(link);
      });
      void settled.then(() => {
        restore();
        process.kill(process.pid, 'SIGSTOP');
      });
    },
  };
}
