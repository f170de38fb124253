// The Responses API as far as Codex uses it: a stream of finished output items. Commands go through `exec_command`,
// edits through the freeform `apply_patch`.
import { callId, callIndex, type Script, type Step } from './script.ts';
import { serveModel, type ModelServer, type ServerEvent, type State, type Turn } from './server.ts';

interface Item {
  readonly type?: string;
  readonly call_id?: string;
  readonly output?: string | readonly { readonly text?: string }[];
}
interface Ask {
  readonly input?: readonly Item[];
  readonly tools?: readonly { readonly name?: string }[];
}

type Output = Readonly<Record<string, unknown>>;

const command = (id: string, cmd: string): Output => ({
  type: 'function_call',
  id: `fc_${id}`,
  call_id: id,
  name: 'exec_command',
  arguments: JSON.stringify({ cmd, yield_time_ms: 20_000 }),
});

const patch = (id: string, hunk: string): Output => ({
  type: 'custom_tool_call',
  id: `ctc_${id}`,
  call_id: id,
  name: 'apply_patch',
  input: `*** Begin Patch\n${hunk}\n*** End Patch\n`,
});

const lines = (text: string, mark: string): string =>
  text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => mark + line)
    .join('\n');

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

function callFor(step: Step, id: string): Output {
  switch (step.do) {
    case 'shell':
      return command(id, step.command);
    case 'read':
      return command(id, `cat ${quoted(step.path)}`);
    case 'write':
      return patch(id, `*** Add File: ${step.path}\n${lines(step.content, '+')}`);
    case 'edit':
      return patch(id, `*** Update File: ${step.path}\n@@\n${lines(step.old, '-')}\n${lines(step.new, '+')}`);
  }
}

const textOf = (output: Item['output']): string =>
  typeof output === 'string' ? output : (output ?? []).map((part) => part.text ?? '').join('\n');

/** Codex reports failure in the text alone: an exit code line, or a refusal to patch. */
const failed = (text: string): boolean =>
  !/^(Process exited with code 0|Exit code: 0)$/m.test(text) && !/^Success\./m.test(text);

function takeResults(ask: Ask, script: Script, state: State): number {
  let next = 0;
  for (const item of ask.input ?? []) {
    if (item.type !== 'function_call_output' && item.type !== 'custom_tool_call_output') continue;
    const index = callIndex(item.call_id ?? '');
    const step = script.steps[index];
    if (step === undefined) continue;
    next = Math.max(next, index + 1);
    const text = textOf(item.output);
    state.results.set(step.name, { step: step.name, text, isError: failed(text) });
  }
  return next;
}

const say = (text: string): Output => ({
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});

function eventsFor(item: Output): ServerEvent[] {
  const usage = {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 10,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 20,
  };
  const events: ServerEvent[] = [
    { event: 'response.created', data: { response: { id: 'resp_1' } } },
    { event: 'response.output_item.done', data: { output_index: 0, item } },
    { event: 'response.completed', data: { response: { id: 'resp_1', output: [], usage } } },
  ];
  return events.map(({ event = '', data }) => ({ event, data: { type: event, ...data } }));
}

function answer(turn: Turn, script: Script, state: State): void {
  const ask = turn.body as Ask;
  // Titles and summaries come without the tools that do work.
  if (!(ask.tools ?? []).some((tool) => tool.name === 'exec_command')) {
    turn.stream(eventsFor(say('ok')), 'aside');
    return;
  }
  const index = takeResults(ask, script, state);
  const step = script.steps[index];
  if (step === undefined) {
    state.finished = true;
    turn.stream(eventsFor(say(script.farewell)), 'farewell');
    return;
  }
  turn.stream(eventsFor(callFor(step, callId(index))), step.name);
}

export function serveOpenai(script: Script): Promise<ModelServer> {
  return serveModel((turn, state) => {
    if (turn.request.method === 'POST' && turn.path === '/v1/responses') answer(turn, script, state);
    else turn.reply(404, { error: { message: `no ${turn.path} here`, type: 'not_found_error' } });
  });
}
