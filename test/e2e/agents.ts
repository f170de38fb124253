// The real agents, as their makers ship them on npm, and what a user of each has set up: a provider that is our
// scripted model, telemetry and updates off by their documented switches, first-run questions answered.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { opencodeTools, serveAnthropic } from './model/anthropic.ts';
import { serveGemini } from './model/gemini.ts';
import { serveOpenai } from './model/openai.ts';
import type { Script } from './model/script.ts';
import type { ModelServer } from './model/server.ts';

export const agentsDirectory = fileURLToPath(new URL('agents/', import.meta.url));
const program = (name: string): string => join(agentsDirectory, 'node_modules/.bin', name);

export interface Agent {
  readonly name: 'claude' | 'codex' | 'gemini' | 'opencode';
  readonly program: string;
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
  existsSync(agent.program) ? undefined : `test/e2e/agents is not installed: (cd test/e2e/agents && npm ci)`;

const key = 'sk-ant-scripted-model-takes-any-key';

export const claude: Agent = {
  name: 'claude',
  program: program('claude'),
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
[features]
daemon_auto_start = false
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
  program: program('codex'),
  serve: serveOpenai,
  headless: (prompt) => [program('codex'), 'exec', '--skip-git-repo-check', unboxed, prompt],
  interactive: () => [program('codex'), unboxed],
  environment: () => ({ SCRIPTED_KEY: 'any' }),
  settings: (workspace, port) => ({ '.codex/config.toml': codexConfig(workspace, port) }),
  state: ['.codex'],
  ready: '? for shortcuts',
  quit: '/quit',
};

export const gemini: Agent = {
  name: 'gemini',
  program: program('gemini'),
  serve: serveGemini,
  headless: (prompt) => [program('gemini'), '-m', 'gemini-2.5-pro', '--yolo', '-p', prompt],
  interactive: () => [program('gemini'), '-m', 'gemini-2.5-pro', '--yolo'],
  environment: (port) => ({
    GEMINI_API_KEY: 'any',
    GOOGLE_GEMINI_BASE_URL: `http://127.0.0.1:${port}`,
  }),
  settings: () => ({
    '.gemini/settings.json': JSON.stringify({
      general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
      privacy: { usageStatisticsEnabled: false },
      security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
    }),
  }),
  state: ['.gemini'],
  ready: 'Type your message',
  quit: '/quit',
};

// The program itself as npm ships it for this machine: the package `opencode-ai` only picks one of these.
const opencodeProgram = join(agentsDirectory, 'node_modules/opencode-linux-x64/bin/opencode');
const opencodeConfig = (port: number): string =>
  JSON.stringify({
    provider: { anthropic: { options: { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: key } } },
    model: 'anthropic/claude-sonnet-4-5',
    small_model: 'anthropic/claude-sonnet-4-5',
    autoupdate: false,
    share: 'disabled',
    permission: 'allow',
  });

export const opencode: Agent = {
  name: 'opencode',
  program: opencodeProgram,
  serve: (script) => serveAnthropic(script, opencodeTools),
  headless: (prompt) => [opencodeProgram, 'run', prompt],
  interactive: () => [opencodeProgram],
  environment: () => ({
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  }),
  settings: (_workspace, port) => ({ '.config/opencode/opencode.json': opencodeConfig(port) }),
  state: ['.config/opencode', '.local/share/opencode', '.local/state/opencode', '.cache/opencode'],
  ready: 'Ask anything',
  quit: '/exit',
};
