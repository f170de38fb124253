// The rules for one host pattern or one address range, by port. A rule for the port beats one for any port; of equal
// ones the stricter. `never` is kept apart and beats both.
import { stricter } from './judgement.ts';
import type { Judgement } from './judgement.ts';

export const anyPort = 0;

export class PortTable {
  readonly ports = new Map<number, Judgement>();
  readonly never = new Map<number, Judgement>();

  add(port: number, judgement: Judgement, never: boolean): void {
    const map = never ? this.never : this.ports;
    map.set(port, stricter(map.get(port), judgement));
  }

  neverAt(port: number): Judgement | undefined {
    return this.never.get(anyPort) ?? this.never.get(port);
  }

  at(port: number): Judgement | undefined {
    return this.ports.get(port) ?? this.ports.get(anyPort);
  }
}

/** Tables that match a destination, most specific first, judged for one port. */
export function judgePort(tables: readonly PortTable[], port: number): Judgement | undefined {
  for (const table of tables) {
    const never = table.neverAt(port);
    if (never) return never;
  }
  for (const table of tables) {
    const judgement = table.at(port);
    if (judgement) return judgement;
  }
  return undefined;
}

/** The most permissive judgement over all ports: whether there is any reason to know the destination at all. */
export function judgeAnyPort(tables: readonly PortTable[]): Judgement | undefined {
  const ports = new Set<number>([anyPort]);
  for (const table of tables) {
    for (const port of table.ports.keys()) ports.add(port);
    for (const port of table.never.keys()) ports.add(port);
  }
  let best: Judgement | undefined;
  for (const port of ports) {
    const judgement = judgePort(tables, port);
    if (judgement?.severity === 0) return judgement;
    if (judgement && (!best || judgement.severity < best.severity)) best = judgement;
  }
  return best;
}
