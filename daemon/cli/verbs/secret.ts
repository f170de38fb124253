// `cordon secret put`, `list`, `remove`: what cordond's settings name as `{ secret: NAME }`, kept in its vault. A secret is
// read from a file or from standard input, never from the command line, which others can see; and is never shown.
import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { CordonError, maxSecret } from '../../model/mod.ts';
import { printable } from '../text/printable.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

function given(context: VerbContext): Buffer {
  const file = textOption(context, 'file');
  if (file === undefined && isatty(0))
    throw new CordonError('config-invalid', 'a secret is not typed at a terminal, where it stays visible', {
      fix: 'cordon secret put NAME --file FILE, or give it on standard input',
    });
  let secret: Buffer;
  try {
    secret = readFileSync(file ?? 0);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CordonError('not-found', `cannot read the secret: ${why}`, { cause });
  }
  if (secret.length > 0 && secret.length <= maxSecret) return secret;
  throw new CordonError('limit', `a secret has from 1 to ${maxSecret} bytes, this has ${secret.length}`);
}

async function ask(
  context: VerbContext,
  verb: string,
  secret: Uint8Array = Buffer.alloc(0),
): Promise<readonly string[]> {
  const [name = ''] = context.operands;
  const { names } = await context.daemon.ask('secrets', { verb, name, secret }, 'secretsAnswer');
  return names;
}

function shown({ json, out, operands }: VerbContext, names: readonly string[], done: string): number {
  if (json) out(JSON.stringify({ names }));
  else out(`${printable(operands[0] ?? '')} ${done}`);
  return 0;
}

export const secretPut: VerbAction = async (context) =>
  shown(context, await ask(context, 'put', given(context)), 'is kept; sinks that name it begin anew');

export const secretRemove: VerbAction = async (context) =>
  shown(context, await ask(context, 'remove'), 'is gone; sinks that name it wait');

export const secretList: VerbAction = async (context) => {
  const names = await ask(context, 'list');
  if (context.json) context.out(JSON.stringify({ names }));
  else context.out(...(names.length === 0 ? ['No secrets are kept.'] : names.map(printable)));
  return 0;
};
