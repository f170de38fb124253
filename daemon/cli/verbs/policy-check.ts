// `cordon policy check FILE|NAME`: could this profile be run? Needs no daemon.
import { readSource } from '../../config/profiles.ts';
import { CordonError } from '../../model/mod.ts';
import { policyCheck as check, type Checked } from '../../policy/mod.ts';
import { failureShape } from '../failure.ts';
import { isFile, localPolicy, unknownProfile } from '../policy-files.ts';
import { printable } from '../text/printable.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

interface Outcome extends Checked {
  readonly file: string;
}

function outcomeOf(context: VerbContext): Outcome {
  const operand = context.operands[0] ?? '';
  const { sources } = localPolicy(context);
  const named = sources.get(operand);
  if (!isFile(operand) && named === undefined) throw unknownProfile(operand, { sources, problems: [] });
  try {
    const { file, text } = named ?? readSource(operand);
    return { ...check(text, file, sources), file };
  } catch (error) {
    // A file that may not even be read as a profile: too large, not UTF-8, writable by others.
    if (error instanceof CordonError && error.code === 'policy-invalid')
      return { ok: false, error, file: operand };
    throw error;
  }
}

/** `file:line: key: message`, as editors expect it, and what to do. */
export function problemLines(error: CordonError): string[] {
  const { error: shape } = failureShape(error);
  const { file, line, key, message, fix } = shape;
  const where = [`${file ?? ''}:${line ?? 0}`, ...(key === undefined || key === '' ? [] : [key])];
  const first = message.startsWith(`${file ?? ''}:`) ? message : [...where, message].join(': ');
  return [printable(first), ...(fix === undefined ? [] : [`  ${printable(fix)}`])];
}

export const policyCheck: VerbAction = (context) => {
  const { ok, file, profile, error } = outcomeOf(context);
  const { out } = context;
  if (context.json) {
    out(
      JSON.stringify({
        ok,
        file,
        ...(profile === undefined ? {} : { profile }),
        ...(error && failureShape(error)),
      }),
    );
  } else if (error !== undefined) out(...problemLines(error));
  else if (profile !== undefined) {
    const { name, version, rules } = profile;
    out(`${printable(file)}: ${name} version ${version} is valid, ${rules} rules after inheritance`);
  }
  return Promise.resolve(ok ? 0 : 1);
};
