// The token of one request: attached to it, or brought by the agent and held against the body. Pure but for the asking.
import { createHash } from 'node:crypto';
import type { TokenDemand } from '../model/mod.ts';
import { fieldsNamed, withFields } from './http-fields.ts';
import type { BodyCheck } from './http-gate.ts';
import type { RequestHead } from './http-head.ts';
import type { TokenRequest, Tokens } from './tokens.ts';
import { authorityAt, type Target } from './way.ts';

/** What goes on instead of the head as sent, what is watched in the body, and which token it is. */
export type Carried =
  | { readonly refused: string }
  | {
      readonly refused: undefined;
      readonly jti: string;
      readonly head?: Buffer;
      readonly expected?: Expected;
    };

export interface Expected {
  /** Hex. */
  readonly sha256: string;
  /** Bytes; -1: any. */
  readonly size: number;
}

export interface Place {
  /** Where the request arrives: what token and proof are for. */
  readonly target: Target;
  /** Where the agent's connection goes: what the daemon finds the grant by. */
  readonly port: number;
}

export function carryToken(
  tokens: Tokens,
  demand: TokenDemand,
  head: RequestHead,
  bytes: Buffer,
  { target, port }: Place,
): Promise<Carried> {
  const path = head.target.replace(/\?.*$/s, '');
  const request: TokenRequest = {
    audience: demand.audience,
    method: head.method,
    host: head.host,
    port,
    path,
  };
  if (demand.type === 'upload') return bring(tokens, request, head, bytes);
  return attach(tokens, request, { type: demand.type, target }, bytes);
}

/** The agent's own Authorization is not the destination's business: the grant says what is said there. */
async function attach(
  tokens: Tokens,
  request: TokenRequest,
  { type, target }: { readonly type: 'dpop' | 'bearer'; readonly target: Target },
  bytes: Buffer,
): Promise<Carried> {
  const outcome = await tokens.attach(request, type === 'dpop' ? tokens.key.thumbprint : '');
  if (outcome.refused !== undefined) return outcome;
  const { token, jti } = outcome;
  if (type === 'bearer')
    return {
      refused: undefined,
      jti,
      head: withFields(bytes, owned, [['Authorization', `Bearer ${token}`]]),
    };
  const { method, host, path } = request;
  const url = `${target.scheme}://${authorityAt(target, host)}${path}`;
  const proof = tokens.key.prove({ method, url, token, now: Date.now() });
  const fields = [
    ['Authorization', `DPoP ${token}`],
    ['DPoP', proof],
  ] as const;
  return { refused: undefined, jti, head: withFields(bytes, owned, fields) };
}

const owned = ['authorization', 'dpop'];
const uploadMethods = new Set(['PUT', 'POST']);

/** Everything that can be refused before the use is taken is refused before. */
async function bring(
  tokens: Tokens,
  request: TokenRequest,
  head: RequestHead,
  bytes: Buffer,
): Promise<Carried> {
  if (!uploadMethods.has(request.method))
    return { refused: `an upload is PUT or POST, not ${request.method}` };
  if (head.upgrade !== undefined) return { refused: 'an upload does not change the protocol' };
  const [authorization, ...more] = fieldsNamed(bytes, 'authorization');
  const [proof, ...proofs] = fieldsNamed(bytes, 'dpop');
  const token = /^DPoP ([A-Za-z0-9._-]{1,16384})$/i.exec(authorization ?? '')?.[1];
  if (token === undefined || proof === undefined || more.length + proofs.length > 0)
    return { refused: 'this grant is for uploads under a token: Authorization: DPoP and DPoP, once each' };
  const outcome = await tokens.use(request, token, proof);
  if (outcome.refused !== undefined) return outcome;
  const { jti, sha256, size } = outcome;
  const said = head.body.kind === 'length' ? head.body.length : head.body.kind === 'none' ? 0 : -1;
  if (size >= 0 && said >= 0 && said !== size)
    return { refused: `the token is for a file of ${size} bytes, the request says ${said}` };
  return { refused: undefined, jti, expected: { sha256, size } };
}

/** `refuse` is told when the body was not the file; what it gives is said to the client. */
export function bodyCheck(
  { sha256, size }: Expected,
  refuse: (reason: string) => Promise<Buffer>,
): BodyCheck {
  const hash = createHash('sha256');
  let seen = 0;
  return {
    piece: (content) => {
      seen += content.length;
      hash.update(content);
    },
    end: async () => {
      const digest = hash.digest('hex');
      if (digest === sha256 && (size < 0 || seen === size)) return undefined;
      return refuse(`what was sent is not the file of the token: SHA-256 ${digest}, ${seen} bytes`);
    },
  };
}
