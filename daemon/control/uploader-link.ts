// One uploader process and the link to it: started again when it ends, told its sinks each time, and cut off when it says
// what ours would not. It can ask for its own sinks only.
import type { Socket } from 'node:net';
import { CordonError } from '../model/mod.ts';
import { packSink } from '../uploader/mod.ts';
import type { NetworkSink, Power } from '../uploader/mod.ts';
import { asCordonError, Connection } from '../wire/mod.ts';
import type { Bodies, Incoming } from '../wire/mod.ts';
import { Rate } from './rate.ts';
import type { SinkState } from './sink-state.ts';
import { dispatch } from './table.ts';
import { keepUploader } from './uploader-process.ts';
import { uploaderTable } from './uploader-table.ts';
import type { UploaderContext } from './uploader-table.ts';

export interface UploaderLinkOptions {
  readonly sinks: readonly SinkState[];
  readonly context: Omit<UploaderContext, 'sinks' | 'acknowledged'>;
  readonly script: string;
  readonly logFile: string;
  readonly setup: () => Omit<Bodies['uploadSetup'], 'sinks'>;
  /** With all that it needs; undefined while that is not there: the sink waits. */
  readonly ready: (state: SinkState) => NetworkSink | undefined;
  /** It ended by itself, or was ended for what it did. */
  readonly ended: (how: string) => void;
  /** It said what ours would not. */
  readonly breach: (detail: string) => void;
}

export interface UploaderLink {
  readonly isOpen: () => boolean;
  readonly pid: () => number | undefined;
  readonly hint: (power: Power) => void;
  /** Ended, and started again with what sinks need by then. No failure. */
  renew(): void;
  stop(): void;
}

/** Messages a second and at once, and requests that wait: more is no uploader of ours. */
const rate = 2000;
const burst = 4000;
const inFlight = 64;

export function startUploaderLink(options: UploaderLinkOptions): UploaderLink {
  const { script, logFile } = options;
  let connection: Connection | undefined;
  let renewing = false;
  const context: UploaderContext = {
    ...options.context,
    sinks: new Map(options.sinks.map((state) => [state.settings.name, state])),
    acknowledged: () => uploader.sound(),
  };
  const linked = (socket: Socket, kill: () => void): void => {
    const mine = new Connection(socket, { onMessage: limited(context) });
    connection = mine;
    mine.notify('uploadSetup', { ...options.setup(), sinks: packed(options) });
    void mine.closed.then(({ why, detail }) => {
      if (why !== 'ended' && why !== 'closed-here') options.breach(detail);
      // It has no link any more, whatever it goes on doing.
      kill();
    });
  };
  const ended = (how: string): void => {
    const meant = renewing;
    renewing = false;
    if (!meant) options.ended(how);
  };
  const uploader = keepUploader({ script, logFile, linked, ended });
  return {
    isOpen: () => connection?.isOpen ?? false,
    pid: () => uploader.pid(),
    hint: ({ onBattery, percent }) => connection?.notify('uploadHint', { onBattery, battery: percent }),
    renew: () => {
      if (uploader.pid() === undefined) return;
      renewing = true;
      uploader.sound();
      // Which ends the process.
      connection?.close();
    },
    stop: () => {
      uploader.stop();
      connection?.close();
    },
  };
}

function limited(context: UploaderContext): (incoming: Incoming, connection: Connection) => void {
  let waiting = 0;
  const limit = new Rate(rate, burst, performance.now());
  return (incoming, connection) => {
    if (!limit.take(performance.now()) || waiting >= inFlight)
      throw new CordonError('limit', 'the uploader asks too often');
    waiting += 1;
    const done = dispatch(uploaderTable, 'open', context, { connection, incoming });
    void done
      // What cannot even be refused: an answer that fits no frame.
      .catch((error: unknown) => connection.close({ why: 'protocol', detail: asCordonError(error).message }))
      .finally(() => (waiting -= 1));
  };
}

/** A new process begins where the last acknowledgement was. */
function packed({ sinks, ready }: UploaderLinkOptions): readonly ReturnType<typeof packSink>[] {
  return sinks.flatMap((state) => {
    state.restart();
    const settings = ready(state);
    return settings === undefined ? [] : [packSink({ settings, next: state.next })];
  });
}
