// `cordon audit tail [-f]`: every record, as it comes.
import type { SessionRecord } from '../../model/mod.ts';
import { programName, recordsOf, withoutEnvelopes } from '../record.ts';
import type { Colours } from '../text/colour.ts';
import { printable } from '../text/printable.ts';
import { clockText } from '../text/time.ts';
import { TailPace } from '../tail-pace.ts';
import { isSet, textOption, type VerbAction, type VerbContext } from '../verb.ts';
import { limitOption, sinceOption } from './blocks.ts';

const defaultLimit = 20;

function paintDisposition(record: SessionRecord, colours: Colours): string {
  const word = record.disposition.padEnd('would-deny'.length);
  if (record.disposition === 'denied') return colours.red(word);
  return record.disposition === 'would-deny' ? colours.yellow(word) : word;
}

/** One line a record; widths are fixed, because what comes later is not known. */
export function recordLine(given: SessionRecord, colours: Colours): string {
  const record = withoutEnvelopes(given);
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
  if (!json && request.follow) return followed(context, recordsOf(daemon, request));
  for await (const record of recordsOf(daemon, request)) {
    out(json ? JSON.stringify(record) : recordLine(record, colours));
  }
  return 0;
};

/** Milliseconds between two looks whether a second is over in which nothing more came. */
const look = 500;

/** For people: what comes faster than they read is summarised. Lines go out together, for each write waits for the terminal. */
async function followed(
  { colours, out }: VerbContext,
  records: AsyncIterable<SessionRecord>,
): Promise<number> {
  const pace = new TailPace(Date.now);
  let lines: string[] = [];
  const flush = (): void => {
    const waiting = lines;
    lines = [];
    if (waiting.length > 0) out(...waiting);
  };
  const say = (...more: readonly string[]): void => {
    if (lines.length === 0 && more.length > 0) setImmediate(flush);
    lines.push(...more);
  };
  const tell = (summary: readonly string[]): void => say(...summary.map((line) => colours.dim(line)));
  const timer = setInterval(() => tell(pace.due()), look);
  try {
    for await (const record of records) {
      const { summary, show } = pace.take(record);
      tell(summary);
      if (show) say(recordLine(record, colours));
    }
  } finally {
    clearInterval(timer);
    flush();
  }
  return 0;
}
