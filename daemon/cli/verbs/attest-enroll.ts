// `cordon attest enroll`: makes this machine known to a verifier. Every step can be repeated; with a verifier at hand they
// are taken at once, without one by file.
import { writeFileSync } from 'node:fs';
import { field, verifierOf } from '../attest/verifier-client.ts';
import type { VerifierClient } from '../attest/verifier-client.ts';
import { readText } from '../attest/files.ts';
import { readChallenge } from '../../evidence/mod.ts';
import { CordonError } from '../../model/mod.ts';
import { withProgress } from '../progress.ts';
import { printable } from '../text/printable.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

const ask = async ({ daemon }: VerbContext, verb: string, text = ''): Promise<string> =>
  (await daemon.ask('attest', { verb, text }, 'attestAnswer')).text;

async function online(
  context: VerbContext,
  verifier: VerifierClient,
): Promise<Readonly<Record<string, unknown>>> {
  const request = await ask(context, 'enrol');
  const challenge = await verifier.post('/v1/enrol', request);
  const id = field(challenge, 'id');
  const secret = await ask(context, 'activate', JSON.stringify(challenge));
  const answer = await verifier.post('/v1/activate', JSON.stringify({ id, secret }));
  await ask(context, 'keep', field(answer, 'enrolment'));
  return answer;
}

/** One step of an enrolment by file. */
async function offline(context: VerbContext): Promise<object> {
  const [challenge, token, out] = ['challenge', 'keep', 'out'].map((name) => textOption(context, name));
  if (challenge !== undefined) {
    const text = readText(challenge, 'the challenge');
    const { id } = readChallenge(text);
    return { id, secret: await ask(context, 'activate', text) };
  }
  if (token !== undefined) {
    await ask(context, 'keep', readText(token, 'the enrolment').trim());
    return { kept: token };
  }
  const request = await ask(context, 'enrol');
  if (out === undefined) return JSON.parse(request) as object;
  writeFileSync(out, request);
  return { written: out };
}

export const attestEnroll: VerbAction = async (context) => {
  const verifier = verifierOf(context);
  if (verifier === undefined) {
    context.out(JSON.stringify(await offline(context)));
    return 0;
  }
  const answer = await withProgress('enrolling with the verifier', online(context, verifier));
  const [ak, tpm] = [field(answer, 'ak'), field(answer, 'tpm')];
  if (tpm !== 'hardware' && tpm !== 'software')
    throw new CordonError('protocol', 'the verifier’s answer names no TPM');
  if (context.json) context.out(JSON.stringify({ enrolled: true, ak, tpm }));
  else context.out(`enrolled: ${tpm} TPM, attestation key ${printable(ak)}`);
  return 0;
};
