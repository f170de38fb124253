// The Messages API as far as Claude Code and OpenCode use it: streaming answers, token counting, the list of models.
import { callId, callIndex, type Script, type Step } from './script.ts';
import { serveModel, type ModelServer, type ServerEvent, type State, type Turn } from './server.ts';

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly tool_use_id?: string;
  readonly is_error?: boolean;
  readonly content?: string | readonly Block[];
}
interface Ask {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly { readonly role: string; readonly content: string | readonly Block[] }[];
  readonly tools?: readonly { readonly name: string }[];
}

interface Call {
  readonly name: string;
  readonly input: Record<string, unknown>;
}

/** How an agent calls its tools. */
export interface Tools {
  /** A tool that only requests for work come with: titles, summaries and quota probes do not. */
  readonly works: string;
  callFor(step: Step): Call;
}

const claudeTools: Tools = {
  works: 'Bash',
  callFor: (step) => {
    switch (step.do) {
      case 'shell':
        return { name: 'Bash', input: { command: step.command, description: step.name } };
      case 'read':
        return { name: 'Read', input: { file_path: step.path } };
      case 'write':
        return { name: 'Write', input: { file_path: step.path, content: step.content } };
      case 'edit':
        return { name: 'Edit', input: { file_path: step.path, old_string: step.old, new_string: step.new } };
    }
  },
};

export const opencodeTools: Tools = {
  works: 'bash',
  callFor: (step) => {
    switch (step.do) {
      case 'shell':
        return { name: 'bash', input: { command: step.command, description: step.name } };
      case 'read':
        return { name: 'read', input: { filePath: step.path } };
      case 'write':
        return { name: 'write', input: { filePath: step.path, content: step.content } };
      case 'edit':
        return { name: 'edit', input: { filePath: step.path, oldString: step.old, newString: step.new } };
    }
  },
};

const textOf = (content: Block['content']): string =>
  typeof content === 'string' ? content : (content ?? []).map((b) => b.text ?? '').join('\n');

/** The whole conversation comes with every request: results are read from it, and the next step is the first open one. */
function takeResults(ask: Ask, script: Script, state: State): number {
  let next = 0;
  for (const message of ask.messages ?? []) {
    if (typeof message.content === 'string') continue;
    for (const block of message.content) {
      if (block.type !== 'tool_result') continue;
      const index = callIndex(block.tool_use_id ?? '');
      const step = script.steps[index];
      if (step === undefined) continue;
      next = Math.max(next, index + 1);
      state.results.set(step.name, {
        step: step.name,
        text: textOf(block.content),
        isError: block.is_error ?? false,
      });
    }
  }
  return next;
}

type Content = { kind: 'text'; text: string } | { kind: 'tool'; id: string; name: string; input: unknown };

function startOf(content: Content): Record<string, unknown> {
  return content.kind === 'text'
    ? { type: 'text', text: '' }
    : { type: 'tool_use', id: content.id, name: content.name, input: {} };
}

function deltaOf(content: Content): Record<string, unknown> {
  return content.kind === 'text'
    ? { type: 'text_delta', text: content.text }
    : { type: 'input_json_delta', partial_json: JSON.stringify(content.input) };
}

function message(ask: Ask, content: Content): Record<string, unknown> {
  const usage = { input_tokens: 10, output_tokens: 10 };
  const block =
    content.kind === 'text'
      ? { type: 'text', text: content.text }
      : { type: 'tool_use', id: content.id, name: content.name, input: content.input };
  const stop = content.kind === 'text' ? 'end_turn' : 'tool_use';
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: ask.model ?? 'scripted',
    content: [block],
    stop_reason: stop,
    stop_sequence: null,
    usage,
  };
}

function eventsFor(ask: Ask, content: Content): ServerEvent[] {
  const whole = message(ask, content);
  const opening = { ...whole, content: [], stop_reason: null };
  const events: ServerEvent[] = [
    { event: 'message_start', data: { message: opening } },
    { event: 'content_block_start', data: { index: 0, content_block: startOf(content) } },
    { event: 'content_block_delta', data: { index: 0, delta: deltaOf(content) } },
    { event: 'content_block_stop', data: { index: 0 } },
    {
      event: 'message_delta',
      data: {
        delta: { stop_reason: whole['stop_reason'], stop_sequence: null },
        usage: { output_tokens: 10 },
      },
    },
    { event: 'message_stop', data: {} },
  ];
  return events.map(({ event = '', data }) => ({ event, data: { type: event, ...data } }));
}

function answer(turn: Turn, script: Script, state: State, tools: Tools): void {
  const ask = turn.body as Ask;
  const say = (content: Content, note: string): void => {
    if (ask.stream === true) turn.stream(eventsFor(ask, content), note);
    else turn.reply(200, message(ask, content), note);
  };
  if (!(ask.tools ?? []).some(({ name }) => name === tools.works)) {
    say({ kind: 'text', text: 'ok' }, `aside ${ask.model ?? ''}`);
    return;
  }
  const index = takeResults(ask, script, state);
  const step = script.steps[index];
  if (step === undefined) {
    state.finished = true;
    say({ kind: 'text', text: script.farewell }, 'farewell');
    return;
  }
  say({ kind: 'tool', id: callId(index), ...tools.callFor(step) }, step.name);
}

export function serveAnthropic(script: Script, tools = claudeTools): Promise<ModelServer> {
  return serveModel((turn, state) => {
    const is = (method: string, path: string): boolean =>
      turn.request.method === method && turn.path === path;
    if (is('POST', '/v1/messages')) answer(turn, script, state, tools);
    else if (is('POST', '/v1/messages/count_tokens')) turn.reply(200, { input_tokens: 10 });
    else if (is('HEAD', '/') || is('GET', '/')) turn.reply(200, {});
    else
      turn.reply(404, { type: 'error', error: { type: 'not_found_error', message: `no ${turn.path} here` } });
  });
}
