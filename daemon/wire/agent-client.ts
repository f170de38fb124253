// For agents and their tools: a small client of the session's agent socket. An agent may ask in advance what would be
// decided, report its tool calls, and say why it did what was denied. None of it changes what it may do.
//
//   import { connectAgent } from 'cordon/agent';
//   const cordon = await connectAgent();
//   const { effect, reason } = await cordon.mayRead('/home/me/notes.txt');
import { connect } from './connect.ts';
import type { Connection } from './connection.ts';
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

export interface AgentClient {
  mayRead(path: string): Promise<Answer>;
  mayWrite(path: string): Promise<Answer>;
  mayExec(path: string): Promise<Answer>;
  /** Without a port: whether the name may be looked up at all. */
  mayConnect(host: string, port?: number): Promise<Answer>;
  reportToolCall(call: ToolCall): Promise<void>;
  /** Puts the agent's reasons beside a denial of this session (`recordId` as `cordon blocks` prints it). */
  justify(recordId: string, text: string): Promise<void>;
  close(): void;
}

/** Rejects with CordonError('unavailable') outside a session. */
export async function connectAgent(path: string = agentSocketPath): Promise<AgentClient> {
  const connection = await connect(path);
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
    close: () => connection.end(),
  };
}

async function ask(connection: Connection, question: Partial<Bodies['askDecision']>): Promise<Answer> {
  const { effect, rule, reason } = await connection.askFor('askDecision', question, 'decisionAnswer');
  return { effect: effect === 'allow' || effect === 'ask' ? effect : 'deny', rule, reason };
}
