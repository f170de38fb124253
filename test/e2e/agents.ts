// The real agents, as their makers ship them on npm, and what a user of each has set up: a provider that is our
// scripted model, telemetry and updates off by their documented switches, first-run questions answered.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveAnthropic } from './model/anthropic.ts';
import { serveOpenai } from './model/openai.ts';
import type { Script } from './model/script.ts';
import type { ModelServer } from './model/server.ts';

export const agentsDirectory = fileURLToPath(new URL('agents/', import.meta.url));
const program = (name: string): string => join(agentsDirectory, 'node_modules/.bin', name);

export interface Agent {
  readonly name: 'claude' | 'codex';
  serve(script: Script): Promise<ModelServer>;
  headless(prompt: string): readonly string[];
  interactive(): readonly string[];
  environment(port: number): Readonly<Record<string, string>>;
  /** Files in the user's home, by path relative to it. */
  settings(workspace: string, port: number): Readonly<Record<string, string>>;
  /** State to remove from the home before a run. */
  readonly state: readonly string[];
  /** On the screen once it takes input. */
  readonly ready: string;
  /** What ends it. */
  readonly quit: string;
}

export const notInstalled = (agent: Agent): string | undefined =>
  existsSync(program(agent.name))
    ? undefined
    : `test/e2e/agents is not installed: (cd test/e2e/agents && npm ci)`;

const key = 'sk-ant-scripted-model-takes-any-key';

export const claude: Agent = {
  name: 'claude',
  serve: serveAnthropic,
  headless: (prompt) => [program('claude'), '-p', prompt, '--dangerously-skip-permissions'],
  interactive: () => [program('claude'), '--dangerously-skip-permissions'],
  environment: (port) => ({
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
    ANTHROPIC_API_KEY: key,
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  }),
  settings: (workspace) => ({
    '.claude.json': JSON.stringify({
      hasCompletedOnboarding: true,
      theme: 'dark',
      customApiKeyResponses: { approved: [key.slice(-20)], rejected: [] },
      bypassPermissionsModeAccepted: true,
      projects: { [workspace]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
    }),
    // Protected from the agent itself, so the person's answer is here before it starts.
    '.claude/settings.json': JSON.stringify({ skipDangerousModePermissionPrompt: true }),
  }),
  state: ['.claude', '.claude.json', '.claude.json.lock'],
  ready: 'shift+tab to cycle',
  quit: '/exit',
};

const codexConfig = (workspace: string, port: number): string => `model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
[analytics]
enabled = false
[feedback]
enabled = false
[notice.model_migrations]
"gpt-5.5" = "gpt-6-sol"
[projects."${workspace}"]
trust_level = "trusted"
[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:${port}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = 0
stream_max_retries = 0
`;

// Codex's own sandbox needs user namespaces and mounts, which Cordon refuses: Cordon takes its place.
const unboxed = '--dangerously-bypass-approvals-and-sandbox';

export const codex: Agent = {
  name: 'codex',
  serve: serveOpenai,
  headless: (prompt) => [program('codex'), 'exec', '--skip-git-repo-check', unboxed, prompt],
  interactive: () => [program('codex'), '--no-daemon', unboxed],
  environment: () => ({ SCRIPTED_KEY: 'any' }),
  settings: (workspace, port) => ({ '.codex/config.toml': codexConfig(workspace, port) }),
  state: ['.codex'],
  ready: '? for shortcuts',
  quit: '/quit',
};
