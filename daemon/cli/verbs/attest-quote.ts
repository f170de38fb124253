// `cordon attest quote`: evidence for somebody's nonce, as files; or, with a verifier, its whole round: challenge, quote,
// verdict, and the verdict kept by the daemon.
import { checkLines, checksIn } from '../attest/check-lines.ts';
import { writeQuote } from '../attest/files.ts';
import { field, verifierOf } from '../attest/verifier-client.ts';
import type { VerifierClient } from '../attest/verifier-client.ts';
import { CordonError } from '../../model/mod.ts';
import { withProgress } from '../progress.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

const evidenceFor = async ({ daemon }: VerbContext, nonce: string): Promise<string> =>
  (await daemon.ask('attest', { verb: 'quote', text: nonce }, 'attestAnswer')).text;

const partOf = (jwt: string, index: 0 | 1): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(jwt.split('.')[index] ?? '', 'base64url').toString()) as Record<string, unknown>;

/**
 * To a verifier that mints: its tokens end with those of this machine that they were made from. Of a key that it did not see
 * in the TPM there are none, and no list by it is believed.
 */
async function tellRevocations(
  { daemon }: VerbContext,
  verifier: VerifierClient,
  result: string,
): Promise<void> {
  const { statusList } = await daemon.ask('tokenKeys', {}, 'tokenKeysAnswer');
  const { tokenKeys } = (partOf(result, 1)['cordon'] ?? {}) as { readonly tokenKeys?: unknown };
  if (Array.isArray(tokenKeys) && tokenKeys.includes(partOf(statusList, 0)['kid']))
    await verifier.post('/v1/token-revocations', JSON.stringify({ statusList }));
}

async function round(context: VerbContext, verifier: VerifierClient): Promise<number> {
  const nonce = field(await verifier.post('/v1/nonce', '{}'), 'nonce');
  const evidence = await evidenceFor(context, nonce);
  const answer = await verifier.post('/v1/verify', JSON.stringify({ nonce, evidence }));
  const result = field(answer, 'result');
  const kept = await context.daemon.ask('attest', { verb: 'result', text: result }, 'attestAnswer');
  const accepted = answer['accepted'] === true;
  const checks = checksIn(answer['checks']);
  if (context.json)
    context.out(JSON.stringify({ accepted, checks, result, state: JSON.parse(kept.text) as object }));
  else context.out(...checkLines(checks, context), accepted ? 'accepted' : 'REFUSED');
  if (accepted && answer['mints'] === true) await tellRevocations(context, verifier, result);
  return accepted ? 0 : 1;
}

export const attestQuote: VerbAction = async (context) => {
  const verifier = verifierOf(context);
  if (verifier !== undefined) return withProgress('attesting', round(context, verifier));
  const nonce = textOption(context, 'nonce');
  if (nonce === undefined)
    throw new CordonError('config-invalid', 'a quote is for somebody’s nonce, or for a verifier', {
      fix: 'cordon attest quote --nonce HEX --out DIR, or --verifier URL',
    });
  const evidence = await evidenceFor(context, nonce.toLowerCase());
  const out = textOption(context, 'out');
  if (out === undefined) {
    context.out(evidence);
    return 0;
  }
  const files = writeQuote(out, evidence);
  context.out(context.json ? JSON.stringify({ directory: out, files }) : `${out}: ${files.join(', ')}`);
  return 0;
};
