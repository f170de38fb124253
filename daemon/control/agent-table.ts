// The agent socket, one a session: an agent may ask what would be decided, report its tool calls, and justify itself.
// Nothing here changes what it may do. All of it is on record, under the session.
import { CordonError, toText } from '../model/mod.ts';
import type { BytePath, FileAccess, NewRecord, Verdict } from '../model/mod.ts';
import { createDecider } from '../decision/mod.ts';
import type { Decider } from '../model/mod.ts';
import { message } from '../wire/mod.ts';
import type { AskDecision, Message } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import { mintedAnswer } from './handlers/tokens.ts';
import type { Actor } from './peer.ts';
import type { Session } from './session.ts';
import { anyone } from './table.ts';
import type { Table } from './table.ts';

export interface AgentContext {
  readonly daemon: Daemon;
  readonly actor: Actor;
  readonly session: Session;
}

/** Characters of one text that are kept. */
const maxText = 8192;

const toolRecord = (
  actor: Actor,
  operation: string,
  object: string,
  reason: string,
  detail: NonNullable<NewRecord['detail']>,
): NewRecord => ({
  kind: 'tool',
  operation,
  object: object.slice(0, maxText),
  disposition: 'observed',
  layer: 'daemon',
  reason: reason.slice(0, maxText),
  process: { pid: actor.pid },
  detail,
});

function deciderOf(session: Session): Decider {
  if (session.capabilitySet === undefined)
    throw new CordonError('unavailable', 'the policy of this session is not known here yet');
  session.decider ??= createDecider(session.capabilitySet);
  return session.decider;
}

function bytePath(path: Uint8Array): BytePath {
  const text = Buffer.from(path).toString('latin1');
  if (
    !text.startsWith('/') ||
    text.includes('\0') ||
    text.length > 4096 ||
    (text !== '/' && /\/\.{0,2}(?:\/|$)/.test(text))
  )
    throw new CordonError('protocol', 'the path is not absolute and normalised');
  return text as BytePath;
}

const accesses: ReadonlySet<string> = new Set<FileAccess>(['read', 'write', 'exec']);
const isAccess = (access: string): access is FileAccess => accesses.has(access);

function judge(decider: Decider, { kind, access, path, host, port }: AskDecision): Verdict {
  if (kind === 'file' && isAccess(access)) return decider.file({ access, path: bytePath(path) });
  if (kind === 'exec') return decider.exec(bytePath(path));
  if (kind === 'socket') return decider.socket({ path: bytePath(path) });
  if (kind === 'network' && host !== '' && host.length <= 253 && port <= 65535)
    return decider.network({ host: host.toLowerCase().replace(/\.$/, ''), ...(port === 0 ? {} : { port }) });
  throw new CordonError('protocol', 'a question is file (read, write, exec), exec, socket or network', {
    fix: 'see PROTOCOL.md, AskDecision',
  });
}

function ask({ daemon, actor, session }: AgentContext, body: AskDecision): Message {
  const verdict = judge(deciderOf(session), body);
  const object =
    body.kind === 'network' ? `${body.host}:${body.port}` : toText(Buffer.from(body.path).toString('latin1'));
  daemon.audit.spool.note(session.id, {
    ...toolRecord(actor, 'ask', object, verdict.reason, {
      kind: body.kind,
      access: body.access,
      effect: verdict.effect,
    }),
    rule: { id: verdict.rule.id, source: verdict.rule.source },
  });
  return message('decisionAnswer', { effect: verdict.effect, rule: verdict.rule.id, reason: verdict.reason });
}

export const agentTable: Table<AgentContext, 'open'> = {
  askDecision: { states: ['open'], may: anyone, handle: ask },
  reportToolCall: {
    states: ['open'],
    may: anyone,
    handle: ({ daemon, actor, session }, { callId, tool, arguments: given, result }) => {
      const detail = {
        callId: callId.slice(0, 200),
        arguments: given.slice(0, maxText),
        result: result.slice(0, maxText),
      };
      daemon.audit.spool.note(session.id, toolRecord(actor, 'call', tool, 'reported by the agent', detail));
      return message('ack');
    },
  },
  mintToken: {
    states: ['open'],
    may: anyone,
    handle: async ({ daemon, actor, session }, body) =>
      mintedAnswer(await daemon.tokens.mint(session, { pid: actor.pid, name: 'agent' }, body)),
  },
  dropToken: {
    states: ['open'],
    may: anyone,
    handle: async ({ daemon, session }, { jti }) => {
      const own = daemon.tokens
        .select({ by: 'id', value: jti })
        .filter((token) => token.session === session.id);
      if (own.length === 0) throw new CordonError('not-found', 'there is no such token of this session');
      await daemon.tokens.revoke(own, 'given back by the agent', 'agent');
      return message('ack');
    },
  },
  justify: {
    states: ['open'],
    may: anyone,
    handle: async ({ daemon, actor, session }, { recordId, text }) => {
      await daemon.audit.spool.drain(session.id);
      if (daemon.audit.spool.byId(recordId)?.subject !== session.id)
        throw new CordonError('not-found', 'there is no such record of this session');
      daemon.audit.spool.note(session.id, toolRecord(actor, 'justify', recordId, text, { recordId }));
      return message('ack');
    },
  },
};
