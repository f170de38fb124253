// An operator, an account with JetStream and users of it, as nats-server takes them (JWT version 2, signed by nkeys), so
// that `.creds` files are tried against a real server. https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const unlimited = Object.fromEntries(
  [
    ...['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'],
    ...['mem_storage', 'disk_storage', 'streams', 'consumer'],
  ].map((name) => [name, -1]),
);

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** `expires`: Unix seconds; 0: never. */
function jwt(issuer: KeyPair, subject: KeyPair, type: string, facts: object, expires = 0): string {
  const claims = {
    ...(expires === 0 ? {} : { exp: expires }),
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject.getPublicKey(),
    nats: { ...facts, type, version: 2 },
  };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex').toUpperCase();
  const signed = `${base64url({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64url({ jti, ...claims })}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

export interface NatsOperator {
  /** For the server's configuration. */
  readonly config: string;
  /** Text of a `.creds` file. */
  readonly credentials: (expires?: number) => Uint8Array;
  /** Of a user whose account nobody knows. */
  readonly strange: () => Uint8Array;
}

export function natsOperator(): NatsOperator {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const limits = { limits: { ...unlimited, wildcards: true } };
  const accounts = [account, system].map(
    (one) => `${one.getPublicKey()}: ${jwt(operator, one, 'account', one === account ? limits : {})}`,
  );
  const credentialsOf = (issuer: KeyPair, expires: number): Uint8Array => {
    const user = nkeys.createUser();
    const token = jwt(issuer, user, 'user', { subs: -1, data: -1, payload: -1, pub: {}, sub: {} }, expires);
    const block = (name: string, text: string): string =>
      `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n\n`;
    return Buffer.from(
      block('NATS USER JWT', token) + block('USER NKEY SEED', Buffer.from(user.getSeed()).toString()),
    );
  };
  return {
    // JetStream wants a system account beside.
    config:
      `operator: ${jwt(operator, operator, 'operator', {})}\nsystem_account: ${system.getPublicKey()}\n` +
      `resolver: MEMORY\nresolver_preload: {\n${accounts.join('\n')}\n}`,
    credentials: (expires = 0) => credentialsOf(account, expires),
    strange: () => credentialsOf(nkeys.createAccount(), 0),
  };
}
