// `cordon attest seal`, `unseal`, `recover`: a file that this machine's TPM opens while the machine starts as it does now,
// and that the escrow key opens afterwards.
import { writeFileSync } from 'node:fs';
import { readBytes, readText } from '../attest/files.ts';
import { openWithEscrow, readSealed, sealedIn } from '../../evidence/mod.ts';
import type { Sealed } from '../../evidence/mod.ts';
import { CordonError } from '../../model/mod.ts';
import { printable } from '../text/printable.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

function needed(context: VerbContext, name: string): string {
  const value = textOption(context, name);
  if (value !== undefined) return value;
  throw new CordonError('config-invalid', `--${name} is missing`);
}

const ask = async ({ daemon }: VerbContext, verb: string, text: string): Promise<string> =>
  (await daemon.ask('attest', { verb, text }, 'attestAnswer')).text;

function done(context: VerbContext, content: string | Buffer): number {
  const out = needed(context, 'out');
  writeFileSync(out, content, { mode: 0o600 });
  context.out(context.json ? JSON.stringify({ written: out }) : out);
  return 0;
}

const operand = ({ operands }: VerbContext): string => operands[0] ?? '';

export const attestSeal: VerbAction = async (context) => {
  const data = readBytes(operand(context), 'what is to be sealed').toString('base64');
  return done(context, await ask(context, 'seal', data));
};

export const attestUnseal: VerbAction = async (context) => {
  const data = await ask(context, 'open', readText(operand(context), 'the sealed file'));
  return done(context, Buffer.from(data, 'base64'));
};

const opened = (context: VerbContext, sealed: Sealed): Buffer =>
  openWithEscrow(sealed, readText(needed(context, 'key'), 'the escrow key'));

/** cordond's own keys. The escrow key stays in this process. */
async function recoverKeys(context: VerbContext): Promise<number> {
  const content = textOption(context, 'content');
  const given =
    content === undefined
      ? opened(context, readSealed(await ask(context, 'keys', '')))
      : Buffer.from(readText(content, 'the recovered keys'));
  const text = await ask(context, 'recover', given.toString('base64'));
  const { reason } = JSON.parse(text) as { reason: string };
  context.out(context.json ? text : `the keys of cordond are open: ${printable(reason)}`);
  return 0;
}

export const attestRecover: VerbAction = async (context) => {
  const [file] = context.operands;
  if (file === undefined) return recoverKeys(context);
  return done(context, opened(context, sealedIn(readText(file, 'the sealed file'))));
};
