// What a person asks of the records, checked: query and export.
import { CordonError } from '../../model/mod.ts';
import type { Disposition } from '../../model/mod.ts';
import type { SearchRequest } from '../../audit/mod.ts';
import { recordClasses } from '../../ocsf/mod.ts';
import type { RecordClass } from '../../ocsf/mod.ts';
import type { QueryRequest } from '../../wire/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { touchable } from '../access.ts';
import type { AdminContext } from '../admin-table.ts';

type Given = Pick<QueryRequest, 'session' | 'since' | 'until' | 'class' | 'verdict' | 'path' | 'host'>;

const verdicts: readonly Disposition[] = ['allowed', 'denied', 'would-deny', 'observed'];
const isClass = (value: string): value is RecordClass => recordClasses.includes(value as RecordClass);
const isVerdict = (value: string): value is Disposition => verdicts.includes(value as Disposition);

const wrong = (what: string, value: string, fix: string): CordonError =>
  new CordonError('config-invalid', `${JSON.stringify(value.slice(0, 80))} is no ${what}`, { fix });

/** Throws CordonError for what is no such thing, or another's session. */
export function filterOf({ daemon, actor }: AdminContext, given: Given): SearchRequest {
  const { session, since, until, path, host } = given;
  if (session !== '' && !(actor.admin && session === daemonStream))
    touchable(actor, session, daemon.audit.registry.get(session));
  if (given.class !== '' && !isClass(given.class))
    throw wrong('class of records', given.class, `there are ${recordClasses.join(', ')}`);
  if (given.verdict !== '' && !isVerdict(given.verdict))
    throw wrong('verdict', given.verdict, `there are ${verdicts.join(', ')}`);
  if (path !== '' && !path.startsWith('/')) throw wrong('absolute path', path, 'begin with a slash');
  return {
    ...(session === '' ? {} : { session }),
    ...(since === 0 ? {} : { since }),
    ...(until === 0 ? {} : { until }),
    ...(given.class === '' ? {} : { class: given.class }),
    ...(given.verdict === '' ? {} : { verdict: given.verdict }),
    ...(path === '' ? {} : { path: withoutStars(path) }),
    ...(host === '' ? {} : { host: host.toLowerCase().replace(/^\*\./, '').replace(/\.$/, '') }),
  };
}

/** Whatever is below is meant anyway: `/srv/**`, `/srv/*` and `/srv/` are `/srv`. */
const withoutStars = (path: string): string => path.replace(/(?:\/\*{1,2})?\/?$/, '') || '/';
