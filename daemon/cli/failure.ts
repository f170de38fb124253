// How every verb reports an error: what happened, why, what to do. Exit codes of CLI.md.
import { CordonError } from '../model/errors.ts';
import { printable } from './text/printable.ts';

export const exitFailed = 1;
export const exitUsage = 2;
/** `cordon run`: Cordon itself failed. */
export const exitCordonFailed = 125;

export interface FailureShape {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly fix?: string;
    readonly file?: string;
    readonly line?: number;
    readonly key?: string;
  };
}

/** The `--json` form, documented in CLI.md. */
export function failureShape(error: unknown): FailureShape {
  if (!(error instanceof CordonError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: { code: 'internal', message } };
  }
  const { fix, file, line, key } = error.facts;
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(fix === undefined || fix === '' ? {} : { fix }),
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

/** `file:line: key: `, unless the message says it itself. */
function placeOf({ file, line, key, message }: FailureShape['error']): string {
  if (file === undefined || message.startsWith(`${file}:`)) return '';
  const at = line === undefined ? file : `${file}:${line}`;
  return key === undefined || key === '' ? `${at}: ` : `${at}: ${key}: `;
}

/** The form for people: one line what and why, one line what to do. */
export function failureText(error: unknown): string {
  const { error: shape } = failureShape(error);
  const place = placeOf(shape);
  const lines = [`cordon: ${printable(`${place}${shape.message}`)}`];
  if (shape.fix !== undefined) lines.push(`  ${printable(shape.fix)}`);
  return `${lines.join('\n')}\n`;
}

export const reportFailure = (error: unknown, json: boolean): string =>
  json ? `${JSON.stringify(failureShape(error))}\n` : failureText(error);
