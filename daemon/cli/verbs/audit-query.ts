// `cordon audit query`: records by session, time, class, verdict, path and host, newest first, a page at a time.
import { CordonError } from '../../model/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';
import { filterOf } from '../filter-options.ts';
import { withProgress } from '../progress.ts';
import { parseRecord } from '../record.ts';
import { isSet, textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';
import { recordLine } from './audit-tail.ts';
import { limitOption } from './blocks.ts';

const defaultLimit = 100;

interface Page {
  readonly records: readonly SessionRecord[];
  /** For `--before`; 0: there is nothing more. */
  readonly next: number;
}

function beforeOption(context: VerbContext): number {
  const text = textOption(context, 'before') ?? '0';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CordonError('config-invalid', `--before ${text} is not where a page ended`, {
    fix: 'give the number that the page before named',
  });
}

async function read(context: VerbContext): Promise<Page> {
  const request = {
    ...filterOf(context),
    limit: limitOption(context, defaultLimit),
    before: beforeOption(context),
    reveal: isSet(context, 'reveal'),
  };
  const records: SessionRecord[] = [];
  let next = 0;
  for await (const { kind, body } of context.daemon.stream('query', request)) {
    if (kind !== 'queryAnswer') continue;
    records.push(...body.records.map(parseRecord));
    next = body.next;
  }
  return { records, next };
}

export const auditQuery: VerbAction = async (context) => {
  const { json, colours, out } = context;
  const page = await withProgress('looking for records', read(context));
  if (json) {
    out(JSON.stringify(page));
    return 0;
  }
  if (page.records.length === 0) {
    out('Nothing matches.');
    return 0;
  }
  out(...page.records.map((record) => recordLine(record, colours)));
  if (page.next > 0) out(colours.dim(`Older ones: the same with --before ${page.next}`));
  return 0;
};
