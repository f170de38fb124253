// The formats of `cordon audit export`. Each takes the lines of an export file (proof/export.ts) and gives bytes on.
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { columns, tableEntry } from './columns.ts';
import type { Cell, Column, TableEntry } from './columns.ts';

export interface Writer {
  /** Entries written. */
  take(lines: readonly string[]): Promise<number>;
  end(): Promise<void>;
}

export type Output = (text: string) => Promise<void>;

const isEntry = (line: string): boolean => line.startsWith('{"position":');
const entriesOf = (lines: readonly string[]): TableEntry[] =>
  lines
    .filter(isEntry)
    .map(tableEntry)
    .filter((entry) => entry !== undefined);

/** All of the lines, so that the file proves itself. */
export const jsonLines = (output: Output): Writer => ({
  take: async (lines) => {
    if (lines.length > 0) await output(lines.map((line) => `${line}\n`).join(''));
    return lines.filter(isEntry).length;
  },
  end: () => Promise.resolve(),
});

/**
 * RFC 4180. Spreadsheets take a cell that begins with one of `= + - @` for a formula, and agents choose names: such a
 * cell gets an apostrophe in front.
 */
function csvCell(value: Cell): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const timeText = (value: Cell): Cell => (typeof value === 'number' ? new Date(value).toISOString() : value);
const csvValue = ({ type, value }: Column, entry: TableEntry): string =>
  csvCell(type === 'time' ? timeText(value(entry)) : value(entry));

export function csv(output: Output): Writer {
  let heading = `${columns.map(({ name }) => name).join(',')}\r\n`;
  return {
    take: async (lines) => {
      const entries = entriesOf(lines);
      const rows = entries.map(
        (entry) => `${columns.map((column) => csvValue(column, entry)).join(',')}\r\n`,
      );
      const text = heading + rows.join('');
      heading = '';
      if (text !== '') await output(text);
      return entries.length;
    },
    end: () => Promise.resolve(),
  };
}

/** Rows of a group: what is held in memory. */
const groupSize = 20_000;

const schema = [
  { name: 'root', num_children: columns.length },
  ...columns.map(({ name, type }) => {
    const optional = { name, repetition_type: 'OPTIONAL' } as const;
    if (type === 'text') return { ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
    if (type === 'time') return { ...optional, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' } as const;
    return { ...optional, type: 'INT64' } as const;
  }),
];

/** As Parquet has it: 64-bit integers, dates for times. */
function parquetValue({ type, value }: Column, entry: TableEntry): string | bigint | Date | undefined {
  const cell = value(entry);
  if (typeof cell !== 'number') return cell;
  return type === 'time' ? new Date(cell) : BigInt(cell);
}

/** Writes to a file: the format has its index at the end, and offsets from the beginning. */
export function parquet(path: string): Writer {
  const writer = new ParquetWriter({ writer: fileWriter(path), schema, createdBy: 'cordon' });
  let held: TableEntry[] = [];
  const flush = async (): Promise<void> => {
    const columnData = columns.map((column) => ({
      name: column.name,
      data: held.map((entry) => parquetValue(column, entry)),
    }));
    held = [];
    await writer.write({ columnData, rowGroupSize: groupSize });
  };
  return {
    take: async (lines) => {
      const entries = entriesOf(lines);
      for (const entry of entries) held.push(entry);
      if (held.length >= groupSize) await flush();
      return entries.length;
    },
    end: async () => {
      if (held.length > 0) await flush();
      await writer.finish();
    },
  };
}
