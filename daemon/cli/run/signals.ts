// Signals that reach `cordon run` are meant for the agent: they are forwarded, and the agent's end is ours.
import { body, text } from './codec.ts';
import type { Link } from './link.ts';

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** A second one of these says that forwarding was not enough. */
const insistent = new Set<NodeJS.Signals>(['SIGTERM', 'SIGHUP']);

export interface SignalHandling {
  /** For SIGTSTP: stop ourselves, whatever that takes; returns at once, SIGCONT comes later. */
  readonly suspend: () => void;
  /** A signal that insists: end now. */
  readonly giveUp: (signal: NodeJS.Signals) => void;
}

const forward = (link: Link, signal: string): boolean => link.send(0, body.forwardSignal, text(1, signal));

export function forwardSignals(link: Link, handling: SignalHandling): void {
  const seen = new Set<NodeJS.Signals>();
  for (const signal of forwarded) {
    process.on(signal, () => {
      if (seen.has(signal) && insistent.has(signal)) handling.giveUp(signal);
      seen.add(signal);
      forward(link, signal);
    });
  }
  process.on('SIGTSTP', () => {
    forward(link, 'SIGTSTP');
    handling.suspend();
  });
  process.on('SIGCONT', () => forward(link, 'SIGCONT'));
}
