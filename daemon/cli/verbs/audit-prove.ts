// `cordon audit prove`: prints a proof after checking it here.
import { CordonError } from '../../model/mod.ts';
import {
  hashFromBase64,
  holdsConsistency,
  holdsInclusion,
  leafHash,
  openNote,
  parseCheckpoint,
  parseVerifierKey,
} from '../../proof/mod.ts';
import type { Hash } from '../../proof/mod.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

interface Inclusion {
  readonly key: string;
  readonly position: number;
  readonly index: number;
  readonly proof: readonly string[];
  readonly checkpoint: string;
  readonly event?: string;
  readonly leaf: string;
}

interface Consistency {
  readonly key: string;
  readonly origin: string;
  readonly first: number;
  readonly second: number;
  readonly firstRoot: string;
  readonly secondRoot: string;
  readonly proof: readonly string[];
}

const hash = (text: string): Hash => hashFromBase64(text) ?? '';
const indented = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);

function showInclusion(context: VerbContext, id: string, answer: Inclusion): boolean {
  const { key, index, event, checkpoint } = answer;
  const { size, root } = parseCheckpoint(openNote(checkpoint, [parseVerifierKey(key)]).text);
  const leaf = event === undefined ? hash(answer.leaf) : leafHash(event);
  const proof = answer.proof.map(hash);
  const ok = leaf === hash(answer.leaf) && holdsInclusion({ leaf, index, size, root, proof });
  if (context.json) context.out(JSON.stringify({ ok, id, ...answer }));
  else
    context.out(
      `${id} is leaf ${index} of ${size}${ok ? '' : ': THE PROOF DOES NOT HOLD'}`,
      `leaf hash  ${answer.leaf}`,
      ...answer.proof.map((each, i) => `${i === 0 ? 'proof' : '     '}      ${each}`),
      'checkpoint',
      ...indented(checkpoint),
      `key        ${key}`,
    );
  return ok;
}

function showConsistency(context: VerbContext, answer: Consistency): boolean {
  const { key, origin, first, second, firstRoot, secondRoot } = answer;
  const proof = answer.proof.map(hash);
  const roots = { firstRoot: hash(firstRoot), secondRoot: hash(secondRoot) };
  const ok = holdsConsistency({ first, second, ...roots, proof });
  if (context.json) context.out(JSON.stringify({ ok, ...answer }));
  else
    context.out(
      `the first ${first} entries of ${origin} are the beginning of its ${second}${ok ? '' : ': THE PROOF DOES NOT HOLD'}`,
      `root of ${first}  ${firstRoot}`,
      `root of ${second}  ${secondRoot}`,
      ...answer.proof.map((each, i) => `${i === 0 ? 'proof' : '     '}  ${each}`),
      `key    ${key}`,
    );
  return ok;
}

function size(context: VerbContext, name: string): number {
  const text = textOption(context, name) ?? '0';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CordonError('config-invalid', `--${name} is a number of entries`, { fix: 'such as --from 1000' });
}

export const auditProve: VerbAction = async (context) => {
  const [id = ''] = context.operands;
  const [first, second] = [size(context, 'from'), size(context, 'to')];
  if (id === '' && textOption(context, 'from') === undefined)
    throw new CordonError('config-invalid', 'what is to be proved?', {
      fix: 'cordon audit prove ID, or cordon audit prove --from SIZE',
    });
  const { json } = await context.daemon.ask('prove', { id, first, second }, 'proveAnswer');
  const answer: unknown = JSON.parse(json);
  const ok =
    id === ''
      ? showConsistency(context, answer as Consistency)
      : showInclusion(context, id, answer as Inclusion);
  return ok ? 0 : 1;
};
