// For agents and their tools: a small client of the session's agent socket. An agent may ask in advance what would be
// decided, report its tool calls, and say why it did what was denied. None of it changes what it may do. It may also ask for
// capability tokens, to show to backends that it acts within its session's rights.
//
//   import { connectAgent } from 'cordon/agent';
//   const cordon = await connectAgent();
//   const { effect, reason } = await cordon.mayRead('/home/me/notes.txt');
import { connect } from './connect.ts';
import type { Connection } from './connection.ts';
import { newProofKey } from './dpop.ts';
import type { ProofKey } from './dpop.ts';
import type { Bodies } from './messages.gen.ts';

/** Where the socket is inside every session. */
export const agentSocketPath = '/run/cordon/agent.sock';

export interface Answer {
  readonly effect: 'allow' | 'deny' | 'ask';
  /** Id of the rule, such as `coding-agent/files[3]`. */
  readonly rule: string;
  readonly reason: string;
}

export interface ToolCall {
  /** The agent's own id of the call. */
  readonly callId?: string;
  readonly tool: string;
  /** As text, often JSON; the first 8192 characters are kept. */
  readonly arguments?: string;
  readonly result?: string;
}

/** What a token is to permit; TOKENS.md has the types of details. */
export interface TokenWish {
  /** `aud`: the backend. */
  readonly audience: string;
  readonly details: readonly Readonly<Record<string, unknown>>[];
  /** Seconds; 300 when not given. */
  readonly lifetime?: number;
  /** 1 when not given. */
  readonly uses?: number;
  readonly purpose?: string;
  /** Sub-tokens only: thumbprint (RFC 7638) of the key of whoever is to have it; the parent's when not given. */
  readonly jkt?: string;
}

/** Bound to a key that this client holds in memory and that nobody else has. */
export interface AgentToken {
  readonly token: string;
  readonly jti: string;
  /** Unix milliseconds. */
  readonly expires: number;
  /** The two header fields of one request (RFC 9449); asked anew for every request. */
  headers(method: string, url: string): { readonly authorization: string; readonly dpop: string };
  /** A token for a sub-agent or plugin that permits less. It ends with this one. */
  narrow(wish: TokenWish): Promise<AgentToken>;
}

export interface AgentClient {
  mayRead(path: string): Promise<Answer>;
  mayWrite(path: string): Promise<Answer>;
  mayExec(path: string): Promise<Answer>;
  /** Without a port: whether the name may be looked up at all. */
  mayConnect(host: string, port?: number): Promise<Answer>;
  reportToolCall(call: ToolCall): Promise<void>;
  /** Puts the agent's reasons beside a denial of this session (`recordId` as `cordon blocks` prints it). */
  justify(recordId: string, text: string): Promise<void>;
  /** Rejects with CordonError('not-permitted') and the reason when the session itself may not do this. */
  token(wish: TokenWish): Promise<AgentToken>;
  /** Revokes a token of this session, and all that were made from it. */
  dropToken(jti: string): Promise<void>;
  close(): void;
}

/** Rejects with CordonError('unavailable') outside a session. */
export async function connectAgent(path: string = agentSocketPath): Promise<AgentClient> {
  const connection = await connect(path);
  let key: ProofKey | undefined;
  const file = (access: string, target: string): Promise<Answer> =>
    ask(connection, { kind: 'file', access, path: Buffer.from(target) });
  return {
    mayRead: (target) => file('read', target),
    mayWrite: (target) => file('write', target),
    mayExec: (target) => ask(connection, { kind: 'exec', path: Buffer.from(target) }),
    mayConnect: (host, port = 0) => ask(connection, { kind: 'network', host, port }),
    reportToolCall: async ({ callId = '', tool, arguments: given = '', result = '' }) => {
      await connection.ask('reportToolCall', { callId, tool, arguments: given, result });
    },
    justify: async (recordId, text) => {
      await connection.ask('justify', { recordId, text });
    },
    token: (wish) => mint(connection, (key ??= newProofKey()), wish),
    dropToken: async (jti) => {
      await connection.ask('dropToken', { jti });
    },
    close: () => connection.end(),
  };
}

async function ask(connection: Connection, question: Partial<Bodies['askDecision']>): Promise<Answer> {
  const { effect, rule, reason } = await connection.askFor('askDecision', question, 'decisionAnswer');
  return { effect: effect === 'allow' || effect === 'ask' ? effect : 'deny', rule, reason };
}

/** What the proof of who asks for a token is made for. */
const mintUrl = 'https://cordon.invalid/token';

async function mint(
  connection: Connection,
  key: ProofKey,
  wish: TokenWish,
  parent = '',
): Promise<AgentToken> {
  const { audience, details, lifetime, uses, purpose, jkt } = wish;
  const asked = { audience, authorization_details: details, expires_in: lifetime, uses, purpose, jkt };
  const proof = key.prove({
    method: 'POST',
    url: mintUrl,
    now: Date.now(),
    ...(parent === '' ? {} : { token: parent }),
  });
  const body = { wish: JSON.stringify(asked), proof, parent };
  const { token, jti, expires } = await connection.askFor('mintToken', body, 'mintTokenAnswer');
  return {
    token,
    jti,
    expires,
    headers: (method, url) => ({
      authorization: `DPoP ${token}`,
      dpop: key.prove({ method, url, token, now: Date.now() }),
    }),
    narrow: (less) => mint(connection, key, less, token),
  };
}
