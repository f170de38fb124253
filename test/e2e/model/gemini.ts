// The Gemini API as far as Gemini CLI uses it: streamed and whole answers, and token counting.
import { callId, type Script, type Step } from './script.ts';
import { serveModel, type ModelServer, type State, type Turn } from './server.ts';

interface Part {
  readonly text?: string;
  readonly functionCall?: { readonly id: string; readonly name: string; readonly args: unknown };
  readonly functionResponse?: { readonly response?: { readonly output?: string; readonly error?: string } };
}
interface Ask {
  readonly contents?: readonly { readonly role?: string; readonly parts?: readonly Part[] }[];
  readonly tools?: readonly { readonly functionDeclarations?: readonly { readonly name?: string }[] }[];
}

function callFor(step: Step): { readonly name: string; readonly args: Record<string, unknown> } {
  switch (step.do) {
    case 'shell':
      return { name: 'run_shell_command', args: { command: step.command, description: step.name } };
    case 'read':
      return { name: 'read_file', args: { file_path: step.path } };
    case 'write':
      return { name: 'write_file', args: { file_path: step.path, content: step.content } };
    case 'edit':
      return {
        name: 'replace',
        args: {
          file_path: step.path,
          old_string: step.old,
          new_string: step.new,
          instruction: step.name,
        },
      };
  }
}

/** Calls are made one at a time, so their answers stand in the conversation in the order of the script. */
function takeResults(ask: Ask, script: Script, state: State): number {
  const responses = (ask.contents ?? [])
    .flatMap(({ parts }) => parts ?? [])
    .flatMap(({ functionResponse }) => (functionResponse === undefined ? [] : [functionResponse.response]));
  responses.forEach((response, index) => {
    const step = script.steps[index];
    if (step === undefined) return;
    const text = response?.error ?? response?.output ?? '';
    const isError = response?.error !== undefined || /^Exit Code: [1-9]/m.test(text);
    state.results.set(step.name, { step: step.name, text, isError });
  });
  return responses.length;
}

const message = (part: Part): Record<string, unknown> => ({
  candidates: [{ index: 0, content: { role: 'model', parts: [part] }, finishReason: 'STOP' }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 10, totalTokenCount: 20 },
});

function answer(turn: Turn, script: Script, state: State): void {
  const ask = turn.body as Ask;
  const say = (part: Part, note: string): void => {
    if (turn.path.endsWith(':streamGenerateContent')) turn.stream([{ data: message(part) }], note);
    else turn.reply(200, message(part), note);
  };
  const tools = (ask.tools ?? []).flatMap(({ functionDeclarations }) => functionDeclarations ?? []);
  // Who speaks next, summaries and the like come without the tools that do work.
  if (!tools.some(({ name }) => name === 'run_shell_command')) {
    say({ text: '{}' }, 'aside');
    return;
  }
  const index = takeResults(ask, script, state);
  const step = script.steps[index];
  if (step === undefined) {
    state.finished = true;
    say({ text: script.farewell }, 'farewell');
    return;
  }
  say({ functionCall: { id: callId(index), ...callFor(step) } }, step.name);
}

export function serveGemini(script: Script): Promise<ModelServer> {
  return serveModel((turn, state) => {
    const asked = turn.request.method === 'POST' ? /:(\w+)$/.exec(turn.path)?.[1] : undefined;
    if (asked === 'generateContent' || asked === 'streamGenerateContent') answer(turn, script, state);
    else if (asked === 'countTokens') turn.reply(200, { totalTokens: 10 });
    else turn.reply(404, { error: { code: 404, message: `no ${turn.path} here`, status: 'NOT_FOUND' } });
  });
}
