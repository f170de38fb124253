// `cordon audit tail [-f]`: every record, as it comes.
import type { SessionRecord } from '../../model/mod.ts';
import { programName, recordsOf } from '../record.ts';
import type { Colours } from '../text/colour.ts';
import { printable } from '../text/printable.ts';
import { clockText } from '../text/time.ts';
import { isSet, textOption, type VerbAction } from '../verb.ts';
import { limitOption, sinceOption } from './blocks.ts';

const defaultLimit = 20;

function paintDisposition(record: SessionRecord, colours: Colours): string {
  const word = record.disposition.padEnd('would-deny'.length);
  if (record.disposition === 'denied') return colours.red(word);
  return record.disposition === 'would-deny' ? colours.yellow(word) : word;
}

/** One line a record; widths are fixed, because what comes later is not known. */
export function recordLine(record: SessionRecord, colours: Colours): string {
  const { object2 } = record;
  const object =
    object2 === undefined || object2 === record.object ? record.object : `${record.object} → ${object2}`;
  const tail = record.outcome === undefined || record.outcome === '0' ? '' : ` (${record.outcome})`;
  return [
    colours.dim(clockText(record.time)),
    printable(record.id).padEnd(14),
    paintDisposition(record, colours),
    printable(programName(record.process)).padEnd(12),
    printable(record.operation).padEnd(9),
    printable(`${object}${tail}`),
  ].join('  ');
}

export const auditTail: VerbAction = async (context) => {
  const { daemon, json, colours, out } = context;
  const request = {
    session: textOption(context, 'session') ?? '',
    since: sinceOption(context),
    limit: limitOption(context, defaultLimit),
    deniedOnly: false,
    follow: isSet(context, 'follow'),
  };
  for await (const record of recordsOf(daemon, request)) {
    out(json ? JSON.stringify(record) : recordLine(record, colours));
  }
  return 0;
};
