// `cordon sessions`: what runs, and which layers are in force for it.
import { columns, type Paint } from '../text/columns.ts';
import { spanText } from '../text/time.ts';
import { isSet, type VerbAction, type VerbContext } from '../verb.ts';
import type { SessionInfo } from '../../wire/mod.ts';

const heading = [
  'SESSION',
  'STATE',
  'USER',
  'PROFILE',
  'MODE',
  'PROCESSES',
  'ALLOWED',
  'DENIED',
  'TIME',
  'COMMAND',
];

/** Without --all. */
const endedShown = 10;

const row = (session: SessionInfo, now: number): string[] => [
  session.session,
  session.state,
  session.user,
  `${session.profile}@${session.profileVersion}`,
  session.mode,
  String(session.processes),
  String(session.allowed),
  String(session.denied),
  spanText((session.ended > 0 ? session.ended : now) - session.started),
  session.argv.join(' '),
];

/** The policy that decides there now, and the layers. */
function layerLines(session: SessionInfo, { colours }: VerbContext): string[] {
  const policy = ['policy', `generation ${session.generation}`, ''];
  const rows = session.layers.map((layer) => [
    layer.layer,
    layer.effective ? 'in force' : 'MISSING',
    layer.detail,
  ]);
  const paint: Paint = (cell, column, index) => {
    if (column !== 1 || index === 0) return cell;
    return session.layers[index - 1]?.effective === true ? colours.green(cell) : colours.red(cell);
  };
  return columns([], [policy, ...rows], paint).map((line) => `    ${line}`);
}

/** Those that live, and the newest that do not any more. */
function worthShowing(all: readonly SessionInfo[], context: VerbContext): readonly SessionInfo[] {
  if (isSet(context, 'all')) return all;
  const ended = all.filter((each) => each.ended > 0).toSorted((a, b) => b.ended - a.ended);
  const old = new Set(ended.slice(endedShown));
  return all.filter((each) => !old.has(each));
}

export const sessions: VerbAction = async (context) => {
  const { daemon, operands, json, now, out } = context;
  const listed: SessionInfo[] = [];
  for await (const { kind, body } of daemon.stream('sessions', { session: operands[0] ?? '' }))
    if (kind === 'sessionsAnswer') listed.push(...body.sessions);
  if (json) {
    out(JSON.stringify({ sessions: listed }));
    return 0;
  }
  if (listed.length === 0) {
    out('No sessions. Start one: cordon run -- CMD…');
    return 0;
  }
  const shown = worthShowing(listed, context);
  const [head = '', ...lines] = columns(
    heading,
    shown.map((session) => row(session, now)),
  );
  const verbose = isSet(context, 'verbose') || operands.length > 0;
  out(context.colours.bold(head));
  shown.forEach((session, index) => {
    out(lines[index] ?? '', ...(verbose ? layerLines(session, context) : []));
  });
  const hidden = listed.length - shown.length;
  if (hidden > 0) out(`and ${hidden} that ended before: --all`);
  return 0;
};
