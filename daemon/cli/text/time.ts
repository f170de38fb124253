// Points in time and spans, as people write and read them. All instants are Unix time in milliseconds.
import { CordonError } from '../../model/errors.ts';

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `10m`, `2h`, `3d` before `now`, or an ISO 8601 date or time. */
export function parseSince(text: string, now: number, option = '--since'): number {
  const span = /^(\d{1,9})([smhdw])$/.exec(text);
  if (span) return now - Number(span[1]) * (unitSeconds[span[2] ?? 's'] ?? 1) * 1000;
  const instant = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(instant)) return instant;
  throw new CordonError('config-invalid', `${option} ${JSON.stringify(text)} is not a time`, {
    fix: 'Write a span such as 30s, 10m, 2h, 3d, or a time such as 2026-01-31T12:00:00Z.',
  });
}

/** `4s`, `12m`, `3h 5m`, `2d 4h`. */
export function spanText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local wall clock: `2026-01-31 12:00:00`. */
export function clockText(instant: number): string {
  const at = new Date(instant);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
