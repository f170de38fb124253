// How a session's end is told: exit code as a shell has it, and the actions that were blocked.
import { constants } from 'node:os';
import { readFileSync } from 'node:fs';
import type { SessionRecord } from '../model/mod.ts';
import { decodeJournal } from '../wire/mod.ts';

const MAX_BLOCKS = 10;
/** The end of the journal that is looked at for the summary: bounded, it is only a summary. */
const MAX_BYTES = 16 * 1024 * 1024;

/** 128 + n for a signal. */
export const exitCode = (code: number | null, signal: number | null): number => code ?? 128 + (signal ?? 0);

const names = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
/** '' for none. */
export const signalName = (signal: number | null): string =>
  signal === null ? '' : (names.get(signal) ?? `SIG${signal}`);

/** The first blocked actions of the session, each once by what was blocked. */
export function blockedActions(journalPath: string): string[] {
  const bytes = readFileSync(journalPath);
  const { records } = decodeJournal(bytes.subarray(0, MAX_BYTES), { final: true });
  const seen = new Map<string, string>();
  for (const json of records) {
    if (seen.size >= MAX_BLOCKS) break;
    if (!json.includes('"disposition":"denied"') && !json.includes('"disposition":"would-deny"')) continue;
    const record = JSON.parse(json) as SessionRecord;
    const key = `${record.operation}\0${record.object}\0${record.rule?.id ?? ''}`;
    if (!seen.has(key)) seen.set(key, json);
  }
  return [...seen.values()];
}

/** Why the command itself did not start, when a rule refused it. */
export function deniedExec(journalPath: string): string | undefined {
  const denials = blockedActions(journalPath).map((json) => JSON.parse(json) as SessionRecord);
  const exec = denials.find(({ kind }) => kind === 'exec');
  return exec === undefined ? undefined : `${exec.object} may not be executed: ${exec.reason}`;
}

/** The end's reason, with what could not be recorded: no record can say it to who waits for the command. */
export function reasonOf(reason: string, unrecorded: number): string {
  if (unrecorded === 0) return reason;
  const actions = unrecorded === 1 ? '1 action' : `${unrecorded} actions`;
  const said = `${actions} could not be recorded, and what changes, executes or connects was refused for that: is the disk with the state directory full?`;
  return reason === '' ? said : `${reason}; ${said}`;
}
