// secret: what settings name and the vault holds. It goes in, and never out again over this socket.
import { CordonError, isSecretName, maxSecret, secretNameRule } from '../../model/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { message } from '../../wire/mod.ts';
import type { SecretsRequest } from '../../wire/mod.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';

type Verb = 'list' | 'put' | 'remove';

function put({ daemon }: AdminContext, { name, secret }: SecretsRequest): void {
  daemon.keys.secrets.put(name, secret);
}

function remove({ daemon }: AdminContext, { name }: SecretsRequest): void {
  if (!daemon.keys.secrets.remove(name))
    throw new CordonError('not-found', `there is no secret ${name}`, { fix: 'cordon secret list' });
}

const verbs: Readonly<Record<Verb, (context: AdminContext, body: SecretsRequest) => void>> = {
  list: () => undefined,
  put,
  remove,
};
const isVerb = (verb: string): verb is Verb => Object.hasOwn(verbs, verb);

function allowed({ daemon, actor }: AdminContext, { verb, name, secret }: SecretsRequest): Verb {
  if (!isVerb(verb)) throw new CordonError('protocol', `there is no ${JSON.stringify(verb.slice(0, 20))}`);
  if (!actor.admin)
    throw new CordonError('not-permitted', 'only administrators keep secrets', {
      fix: `ask one, or join the group ${daemon.settings.adminGroup}`,
    });
  if (verb !== 'list' && !isSecretName(name))
    throw new CordonError('config-invalid', 'that is no name of a secret', { fix: `give ${secretNameRule}` });
  if (verb === 'put' && (secret.length === 0 || secret.length > maxSecret))
    throw new CordonError('limit', `a secret has from 1 to ${maxSecret} bytes`);
  return verb;
}

export const secrets: AdminHandler<'secrets'> = (context, body) => {
  const { daemon, actor } = context;
  const verb = allowed(context, body);
  // First, so that what is locked is said before anything is recorded.
  const { names } = daemon.keys.secrets;
  names();
  if (verb !== 'list')
    daemon.audit.spool.append(daemonStream, {
      kind: 'admin',
      operation: `secret-${verb}`,
      object: body.name,
      disposition: 'observed',
      layer: 'daemon',
      reason: `${verb} by ${actor.name}`,
      process: { pid: actor.pid },
      detail: { actor: actor.name, uid: actor.uid },
    });
  verbs[verb](context, body);
  if (verb !== 'list') daemon.uploads.secretsChanged();
  return message('secretsAnswer', { names: [...names()].sort() });
};
