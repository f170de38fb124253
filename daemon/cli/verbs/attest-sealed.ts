// `cordon attest seal`, `unseal`, `recover`: a file that this machine's TPM opens while the machine starts as it does now,
// and that the escrow key opens afterwards.
import { writeFileSync } from 'node:fs';
import { readText } from '../attest/files.ts';
import { openWithEscrow, readSealed } from '../../evidence/mod.ts';
import { CordonError } from '../../model/mod.ts';
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
  const data = Buffer.from(readText(operand(context), 'what is to be sealed')).toString('base64');
  return done(context, await ask(context, 'seal', data));
};

export const attestUnseal: VerbAction = async (context) => {
  const data = await ask(context, 'open', readText(operand(context), 'the sealed file'));
  return done(context, Buffer.from(data, 'base64'));
};

export const attestRecover: VerbAction = (context) => {
  const sealed = readSealed(readText(operand(context), 'the sealed file'));
  const key = readText(needed(context, 'key'), 'the escrow key');
  return Promise.resolve(done(context, openWithEscrow(sealed, key)));
};
