// How a session ended, and what of it people should know: exit code and the summary of what was blocked.
import { columns } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import { fields, numberOf, textOf, textsOf } from './codec.ts';

export interface SessionExit {
  readonly code: number;
  readonly signal: string;
  readonly reason: string;
  readonly denied: number;
  /** SessionRecords, up to 10. */
  readonly blocks: readonly Block[];
}

/** The part of a SessionRecord that the summary shows; parsed from JSON the supervisor wrote. */
export interface Block {
  readonly id: string;
  readonly operation: string;
  readonly object: string;
  readonly rule: string;
  readonly record: unknown;
}

const textIn = (from: unknown, key: string): string => {
  const value: unknown = typeof from === 'object' && from !== null ? Reflect.get(from, key) : undefined;
  return typeof value === 'string' ? value : '';
};

function readBlock(json: string): Block {
  const record: unknown = JSON.parse(json);
  const rule: unknown =
    typeof record === 'object' && record !== null ? Reflect.get(record, 'rule') : undefined;
  return {
    id: textIn(record, 'id'),
    operation: textIn(record, 'operation'),
    object: textIn(record, 'object'),
    rule: textIn(rule, 'id'),
    record,
  };
}

export function readSessionExit(message: Buffer): SessionExit {
  const exit = fields(message);
  return {
    code: numberOf(exit, 1),
    signal: textOf(exit, 2),
    reason: textOf(exit, 3),
    denied: numberOf(exit, 4),
    blocks: textsOf(exit, 5).map(readBlock),
  };
}

/** An exit status is one byte; anything that does not fit is a failure of ours. */
export const exitStatus = (exit: SessionExit): number =>
  exit.code >= 0 && exit.code <= 255 ? exit.code : 125;

/** In monitor mode what would be denied happens. */
function whatBecame({ denied, blocks }: SessionExit): string {
  const monitored = blocks.filter((block) => textIn(block.record, 'disposition') === 'would-deny').length;
  if (monitored > 0 && monitored === blocks.length) return 'would have been blocked (monitor mode)';
  const were = denied === 1 ? 'was' : 'were';
  return monitored > 0 ? `${were} blocked or, in monitor mode, would have been` : `${were} blocked`;
}

/** Lines for stderr: why the command did not start, and what was blocked. Nothing when there is nothing to say. */
export function summaryText(session: string, exit: SessionExit): string {
  const lines: string[] = [];
  if (exit.reason !== '') lines.push(`cordon: ${printable(exit.reason)}`);
  if (exit.denied > 0) {
    const actions = exit.denied === 1 ? '1 action' : `${exit.denied} actions`;
    lines.push(`cordon: ${actions} ${whatBecame(exit)} in session ${printable(session)}:`);
    const rows = exit.blocks.map((block) => [block.id, block.operation, block.object, block.rule]);
    lines.push(...columns([], rows).map((line) => `  ${line}`));
    const more = exit.denied - exit.blocks.length;
    if (more > 0) lines.push(`  and ${more} more: cordon blocks --session ${printable(session)}`);
    const first = exit.blocks[0]?.id ?? '';
    if (first !== '') lines.push(`  Why, and what would allow it: cordon explain ${printable(first)}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

export const summaryJson = (session: string, exit: SessionExit): string =>
  `${JSON.stringify({
    session,
    exit: exitStatus(exit),
    signal: exit.signal,
    reason: exit.reason,
    denied: exit.denied,
    blocks: exit.blocks.map((block) => block.record),
  })}\n`;
