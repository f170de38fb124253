// attest: what this machine proves of itself. Anybody may see how it stands; everything else is an administrator's.
import { CordonError } from '../../model/mod.ts';
import type { AttestationState } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';

type Verb =
  'status' | 'enrol' | 'activate' | 'keep' | 'quote' | 'result' | 'seal' | 'open' | 'keys' | 'recover';
type Act = (context: AdminContext, text: string) => Promise<string>;

const { stringify } = JSON;

async function status({ daemon }: AdminContext): Promise<string> {
  const { attestation } = daemon;
  const facts = await attestation.facts();
  await attestation.look();
  const { state, enrolled, keys } = attestation;
  return stringify({ state: shown(state), enrolled, tpm: facts ?? null, keys });
}

/** The token itself is long, and nobody's business here. */
const shown = (state: AttestationState): object => ({ ...state, result: undefined });

const verbs: Readonly<Record<Verb, Act>> = {
  status,
  enrol: ({ daemon }) => daemon.attestation.enrol(),
  activate: ({ daemon }, challenge) => daemon.attestation.activate(challenge),
  keep: ({ daemon }, token) => {
    daemon.attestation.keep(token);
    return Promise.resolve('');
  },
  quote: ({ daemon }, nonce) => daemon.attestation.quote(nonce),
  result: async ({ daemon }, token) => stringify(shown(await daemon.attestation.result(token))),
  seal: ({ daemon }, data) => daemon.attestation.seal(data),
  open: ({ daemon }, sealed) => daemon.attestation.open(sealed),
  keys: ({ daemon }) => Promise.resolve(daemon.attestation.sealedKeys),
  recover: async ({ daemon }, content) => {
    await daemon.attestation.recover(content);
    return stringify(daemon.attestation.keys);
  },
};
const isVerb = (verb: string): verb is Verb => Object.hasOwn(verbs, verb);

/** What is proved, and to whom, is on record; what is asked is not, nor secrets. */
function note({ daemon, actor }: AdminContext, verb: Verb, reason: string, denied: boolean): void {
  daemon.note(daemonStream, {
    kind: 'admin',
    operation: `attest-${verb}`,
    object: 'this machine',
    disposition: denied ? 'denied' : 'observed',
    layer: 'daemon',
    reason,
    process: { pid: actor.pid },
    detail: { actor: actor.name, uid: actor.uid },
  });
}

export const attest: AdminHandler<'attest'> = async (context, { verb, text }) => {
  const { actor, daemon } = context;
  if (!isVerb(verb)) throw new CordonError('protocol', `there is no ${stringify(verb.slice(0, 20))}`);
  if (verb !== 'status' && !actor.admin)
    throw new CordonError('not-permitted', 'only administrators have this machine attested', {
      fix: `ask one, or join the group ${daemon.settings.adminGroup}`,
    });
  try {
    const answer = await verbs[verb](context, text);
    if (verb !== 'status') note(context, verb, `${verb} by ${actor.name}`, false);
    return message('attestAnswer', { text: answer });
  } catch (error) {
    if (verb !== 'status') note(context, verb, error instanceof Error ? error.message : String(error), true);
    throw error;
  }
};
