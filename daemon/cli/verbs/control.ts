// `cordon freeze|resume|kill S|--all`.
import { CordonError } from '../../model/mod.ts';
import { printable } from '../text/printable.ts';
import { isSet, textOption, type VerbAction, type VerbContext } from '../verb.ts';

interface Control {
  readonly verb: 'freeze' | 'resume' | 'kill';
  /** `killed 2 sessions …` */
  readonly done: string;
  readonly afterAll: string;
}

function target(context: VerbContext, verb: string): { session: string; all: boolean } {
  const [session = ''] = context.operands;
  const all = isSet(context, 'all');
  if (all !== (session === '')) {
    throw new CordonError('config-invalid', `cordon ${verb} needs one session, or --all, and not both`, {
      fix: `cordon ${verb} SESSION, or cordon ${verb} --all; the sessions are listed by: cordon sessions`,
    });
  }
  return { session, all };
}

const control =
  ({ verb, done, afterAll }: Control): VerbAction =>
  async (context) => {
    const { session, all } = target(context, verb);
    const request = { verb, session, all, reason: textOption(context, 'reason') ?? '' };
    const answer = await context.daemon.ask('control', request, 'controlAnswer');
    const { sessions, milliseconds } = answer;
    if (context.json) {
      context.out(JSON.stringify({ verb, sessions, milliseconds }));
      return 0;
    }
    const names = sessions.length === 0 ? '' : `: ${sessions.map(printable).join(' ')}`;
    const noun = sessions.length === 1 ? '1 session' : `${sessions.length} sessions`;
    context.out(`${done} ${noun} in ${Math.round(milliseconds)} ms${names}`);
    if (all && afterAll !== '') context.out(afterAll);
    return 0;
  };

export const freeze = control({ verb: 'freeze', done: 'froze', afterAll: '' });
export const resume = control({ verb: 'resume', done: 'resumed', afterAll: 'New sessions may start.' });
export const kill = control({
  verb: 'kill',
  done: 'killed',
  afterAll: 'New sessions are refused until: cordon resume --all',
});
