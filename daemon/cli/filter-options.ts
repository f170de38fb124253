// The options by which records are chosen: audit query and audit export.
import type { QueryRequest } from '../wire/mod.ts';
import { parseSince } from './text/time.ts';
import { textOption } from './verb.ts';
import type { VerbContext, VerbOption } from './verb.ts';

export const filterOptions: readonly VerbOption[] = [
  { flags: '--session <id>', summary: 'only this session' },
  { flags: '--since <time>', summary: 'a span such as 10m or 2h, or an ISO time' },
  { flags: '--until <time>', summary: 'as --since' },
  {
    flags: '--class <class>',
    summary: 'denial, mutation, exec, network, read, admin, session, finding, token or gap',
  },
  { flags: '--verdict <verdict>', summary: 'allowed, denied, would-deny or observed' },
  { flags: '--path <path>', summary: 'this object, or anything below' },
  { flags: '--host <host>', summary: 'this name or a subdomain, or an address' },
];

export type Filter = Pick<
  QueryRequest,
  'session' | 'since' | 'until' | 'class' | 'verdict' | 'path' | 'host'
>;

export function filterOf(context: VerbContext): Filter {
  const text = (name: string): string => textOption(context, name) ?? '';
  const time = (name: string): number =>
    text(name) === '' ? 0 : parseSince(text(name), context.now, `--${name}`);
  return {
    session: text('session'),
    since: time('since'),
    until: time('until'),
    class: text('class'),
    verdict: text('verdict'),
    path: text('path'),
    host: text('host'),
  };
}
