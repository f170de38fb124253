// `cordon audit export`: entries of the log as a file that proves itself (jsonl), or as a table (csv, parquet).
import { once } from 'node:events';
import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { CordonError } from '../../model/mod.ts';
import { progressBar } from '../bar.ts';
import { csv, jsonLines, parquet } from '../export/writers.ts';
import type { Output, Writer } from '../export/writers.ts';
import { filterOf } from '../filter-options.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

type Format = 'jsonl' | 'csv' | 'parquet';
const isFormat = (text: string): text is Format => text === 'jsonl' || text === 'csv' || text === 'parquet';

interface Target {
  readonly writer: Writer;
  /** What was written is whole: it gets its name. */
  readonly keep: () => void;
  readonly discard: () => void;
}

const toStandardOutput: Output = async (text) => {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
};

const invalid = (message: string, fix: string): CordonError =>
  new CordonError('config-invalid', message, { fix });

function formatOption(context: VerbContext): Format {
  const format = textOption(context, 'format') ?? 'jsonl';
  if (isFormat(format)) return format;
  throw invalid(`--format ${format} is not known`, 'there are jsonl, csv and parquet');
}

function targetOf(format: Format, out: string | undefined): Target {
  if (out !== undefined) return fileTarget(format, out);
  if (format === 'parquet') throw invalid('Parquet is not written to a pipe', 'give --out FILE');
  const writer = format === 'csv' ? csv(toStandardOutput) : jsonLines(toStandardOutput);
  return { writer, keep: () => undefined, discard: () => undefined };
}

/** Written beside, for its owner alone, and renamed when it is whole. */
function fileTarget(format: Format, out: string): Target {
  if (existsSync(out)) throw invalid(`${out} is there already`, 'give another name, or remove it');
  const beside = `${out}.partial`;
  const fd = openBeside(beside);
  const output: Output = (text) => {
    const bytes = Buffer.from(text, 'utf8');
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    return Promise.resolve();
  };
  const writer = format === 'parquet' ? parquet(beside) : format === 'csv' ? csv(output) : jsonLines(output);
  return {
    writer,
    keep: () => {
      closeSync(fd);
      renameSync(beside, out);
    },
    discard: () => {
      closeSync(fd);
      rmSync(beside, { force: true });
    },
  };
}

function openBeside(path: string): number {
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw new CordonError(
      'unavailable',
      `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`,
      {
        fix: 'choose a directory that is there and that you may write to',
        cause: error,
      },
    );
  }
}

async function transfer(context: VerbContext, writer: Writer): Promise<number> {
  const bar = progressBar('exporting');
  let entries = 0;
  try {
    for await (const { kind, body } of context.daemon.stream('exportLog', filterOf(context))) {
      if (kind !== 'exportAnswer') continue;
      entries += await writer.take(body.lines);
      bar.show(body.done, body.total);
    }
    await writer.end();
  } finally {
    bar.end();
  }
  return entries;
}

export const auditExport: VerbAction = async (context) => {
  const format = formatOption(context);
  const out = textOption(context, 'out');
  if (context.json && out === undefined)
    throw invalid('--json says what was written to a file', 'give --out FILE, or leave --json out');
  const target = targetOf(format, out);
  let entries: number;
  try {
    entries = await transfer(context, target.writer);
  } catch (error) {
    target.discard();
    throw error;
  }
  target.keep();
  if (context.json) context.out(JSON.stringify({ format, out, entries }));
  else if (out !== undefined)
    context.out(
      `${entries.toLocaleString('en')} entries in ${out}${format === 'jsonl' ? `; check it: cordon audit verify --file ${out}` : ''}`,
    );
  return 0;
};
