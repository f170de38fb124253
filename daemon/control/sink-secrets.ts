// What a sink's settings name and the vault holds, put where the uploader takes it from. It goes to that process over its
// link, as the contents of files do: never by a file, an argument or the environment.
import { CordonError } from '../model/mod.ts';
import type { NetworkSink } from '../uploader/mod.ts';

/** Undefined: there is none of this name. Throws CordonError while they are locked. */
export type ReadSecret = (name: string) => Uint8Array | undefined;

/** RFC 6750, section 2.1, and what NATS takes: one word. */
function word(name: string, secret: Uint8Array): Uint8Array {
  const text = Buffer.from(secret).toString('latin1').trim();
  if (/^[\x21-\x7e]+$/.test(text)) return Buffer.from(text, 'latin1');
  throw new CordonError('config-invalid', `the secret ${name} is no token: one word of ASCII`, {
    fix: `cordon secret put ${name}`,
  });
}

/** Rejects with CordonError that says which secret is missing or locked. */
export function withSecrets(settings: NetworkSink, read: ReadSecret): NetworkSink {
  const { secrets, ...rest } = settings;
  if (secrets === undefined) return settings;
  const found = (name: string): Uint8Array => {
    const secret = read(name);
    if (secret !== undefined) return secret;
    throw new CordonError('not-found', `there is no secret ${name}`, { fix: `cordon secret put ${name}` });
  };
  return {
    ...rest,
    ...(secrets.token === undefined ? {} : { token: word(secrets.token, found(secrets.token)) }),
    ...(secrets.key === undefined ? {} : { tls: { ...rest.tls, key: found(secrets.key) } }),
    ...(secrets.credentials === undefined ? {} : { credentials: found(secrets.credentials) }),
  };
}
