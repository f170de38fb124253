// One connection to cordond or to a session's supervisor, for `cordon run`.
import { connect, type Socket } from 'node:net';
import { CordonError } from '../../model/errors.ts';
import { unreachable } from '../unreachable.ts';
import { FrameReader, body, fields, frame, numberOf, readEnvelope, textOf, type Envelope } from './codec.ts';

export interface Link {
  send(request: number, kind: number, message: readonly Buffer[]): boolean;
  readonly socket: Socket;
  end(): void;
}

export interface LinkEvents {
  /** Every envelope but failures. */
  readonly onEnvelope: (envelope: Envelope) => void;
  /** Once: a failure that was sent, a connection that could not be made or was lost, a message that is malformed. */
  readonly onFailure: (error: unknown) => void;
  /** Once, when the other side closed without a failure. */
  readonly onClose: () => void;
}

/** Failure as the daemon sent it. */
export function failureOf(message: Buffer): CordonError {
  const failure = fields(message);
  const [file, line, key] = [textOf(failure, 4), numberOf(failure, 5), textOf(failure, 6)];
  return new CordonError(textOf(failure, 1) as CordonError['code'], textOf(failure, 2), {
    fix: textOf(failure, 3),
    ...(file === '' ? {} : { file }),
    ...(line === 0 ? {} : { line }),
    ...(key === '' ? {} : { key }),
  });
}

export function openLink(path: string, events: LinkEvents): Link {
  const socket = connect(path);
  const reader = new FrameReader();
  let over = false;
  const fail = (error: unknown): void => {
    if (over) return;
    over = true;
    socket.destroy();
    events.onFailure(error);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fail(unreachable(path, error));
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const received of reader.push(chunk)) deliver(readEnvelope(received));
    } catch (error) {
      fail(error);
    }
  });
  socket.on('close', () => {
    if (over) return;
    over = true;
    events.onClose();
  });
  function deliver(envelope: Envelope): void {
    if (over) return;
    if (envelope.kind === body.failure) fail(failureOf(envelope.body));
    else events.onEnvelope(envelope);
  }
  return {
    socket,
    send: (request, kind, message) => socket.write(frame(request, kind, message)),
    end: () => {
      over = true;
      socket.destroy();
    },
  };
}
