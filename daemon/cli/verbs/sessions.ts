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

function layerLines(session: SessionInfo, { colours }: VerbContext): string[] {
  const rows = session.layers.map((layer) => [
    layer.layer,
    layer.effective ? 'in force' : 'MISSING',
    layer.detail,
  ]);
  const paint: Paint = (cell, column, index) => {
    if (column !== 1) return cell;
    return session.layers[index]?.effective === true ? colours.green(cell) : colours.red(cell);
  };
  return columns([], rows, paint).map((line) => `    ${line}`);
}

export const sessions: VerbAction = async (context) => {
  const { daemon, operands, json, now, out } = context;
  const answer = await daemon.ask('sessions', { session: operands[0] ?? '' }, 'sessionsAnswer');
  if (json) {
    out(JSON.stringify({ sessions: answer.sessions }));
    return 0;
  }
  if (answer.sessions.length === 0) {
    out('No sessions. Start one: cordon run -- CMD…');
    return 0;
  }
  const [head = '', ...lines] = columns(
    heading,
    answer.sessions.map((session) => row(session, now)),
  );
  const verbose = isSet(context, 'verbose') || operands.length > 0;
  out(context.colours.bold(head));
  answer.sessions.forEach((session, index) => {
    out(lines[index] ?? '', ...(verbose ? layerLines(session, context) : []));
  });
  return 0;
};
