// `cordon blocks`: what was denied (or, in monitor mode, would have been).
import type { SessionRecord } from '../../model/mod.ts';
import { CordonError } from '../../model/mod.ts';
import { withProgress } from '../progress.ts';
import { programName, recordsOf, withoutEnvelopes } from '../record.ts';
import { columns } from '../text/columns.ts';
import { clockText, parseSince } from '../text/time.ts';
import { textOption, type VerbAction, type VerbContext } from '../verb.ts';

const defaultLimit = 100;
const heading = ['ID', 'TIME', 'PROGRAM', 'ACTION', 'OBJECT', 'RULE'];

export function limitOption(context: VerbContext, fallback: number): number {
  const text = textOption(context, 'limit');
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new CordonError('config-invalid', `--limit ${text} is not a number between 1 and 999999`, {
    fix: 'such as --limit 50',
  });
}

export const sinceOption = (context: VerbContext): number => {
  const text = textOption(context, 'since');
  return text === undefined ? 0 : parseSince(text, context.now);
};

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of from) all.push(each);
  return all;
}

const row = (record: SessionRecord): string[] => [
  record.id,
  clockText(record.time),
  programName(record.process),
  record.disposition === 'would-deny' ? `${record.operation} (monitored)` : record.operation,
  record.count !== undefined && record.count > 1 ? `${record.object} ×${record.count}` : record.object,
  record.rule?.id ?? record.layer,
];

export const blocks: VerbAction = async (context) => {
  const { daemon, json, colours, out } = context;
  const request = {
    session: textOption(context, 'session') ?? '',
    since: sinceOption(context),
    limit: limitOption(context, defaultLimit),
    deniedOnly: true,
  };
  const records = await withProgress('reading records', collect(recordsOf(daemon, request)));
  if (json) {
    out(JSON.stringify({ blocks: records }));
    return 0;
  }
  if (records.length === 0) {
    out('Nothing was blocked.');
    return 0;
  }
  const [head = '', ...lines] = columns(heading, records.map(withoutEnvelopes).map(row));
  out(colours.bold(head), ...lines);
  if (records.length === request.limit) out(`The newest ${request.limit}; more: --limit N`);
  return 0;
};
