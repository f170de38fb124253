// The rules for one host pattern or one address range, by port. A rule for the port beats one for any port; of equal
// ones the stricter. `never` is kept apart and beats both.
import { stricter } from './judgement.ts';
import type { Judgement } from './judgement.ts';

export const anyPort = 0;

const noPorts: ReadonlyMap<number, Judgement> = new Map();

export class PortTable {
  // Nearly every pattern has one port: kept here, a map only for more.
  #port = -1;
  #judgement: Judgement | undefined;
  #more: Map<number, Judgement> | undefined;
  #never: Map<number, Judgement> | undefined;

  add(port: number, judgement: Judgement, never: boolean): void {
    if (never) put((this.#never ??= new Map<number, Judgement>()), port, judgement);
    else if (this.#port === -1 || this.#port === port) {
      this.#port = port;
      this.#judgement = stricter(this.#judgement, judgement);
    } else put((this.#more ??= new Map<number, Judgement>()), port, judgement);
  }

  neverAt(port: number): Judgement | undefined {
    return this.#never && (this.#never.get(anyPort) ?? this.#never.get(port));
  }

  at(port: number): Judgement | undefined {
    if (this.#port === port) return this.#judgement;
    const exact = this.#more?.get(port);
    if (exact) return exact;
    return this.#port === anyPort ? this.#judgement : this.#more?.get(anyPort);
  }

  /** All that it says: two of the same text say the same. */
  text(numberOf: (judgement: Judgement) => number): string {
    const all = (map: ReadonlyMap<number, Judgement>): string =>
      [...map]
        .map(([port, judgement]) => `${port}=${numberOf(judgement)}`)
        .sort()
        .join();
    const first = this.#judgement === undefined ? '' : `${this.#port}=${numberOf(this.#judgement)}`;
    return `${first};${all(this.#more ?? noPorts)};${all(this.#never ?? noPorts)}`;
  }

  /** Ports that some rule names; anyPort among them when a rule is for any. */
  *ports(): Iterable<number> {
    if (this.#port !== -1) yield this.#port;
    yield* (this.#more ?? noPorts).keys();
    yield* (this.#never ?? noPorts).keys();
  }
}

function put(map: Map<number, Judgement>, port: number, judgement: Judgement): void {
  map.set(port, stricter(map.get(port), judgement));
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
  for (const table of tables) for (const port of table.ports()) ports.add(port);
  let best: Judgement | undefined;
  for (const port of ports) {
    const judgement = judgePort(tables, port);
    if (judgement?.severity === 0) return judgement;
    if (judgement && (!best || judgement.severity < best.severity)) best = judgement;
  }
  return best;
}
