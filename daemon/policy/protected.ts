// Files through which a program in the sandbox could later run code outside it. They are write-protected in writable
// places, also where they do not exist yet, unless a profile grants them by name (`protect: [{ grant: [name] }]`).
// Why these, and what git, package managers and the agents themselves still may do: daemon/docs/adr, protected files.
//
// Anywhere (`**/`): what acts wherever it lies, or is reached by a link from the home directory; and the settings of agents
// themselves, but for those that come with packages (`except`) or with a repository or worktree inside the workspace (the
// mediator sees that). At the root of the workspace and of the home only: what else a person's tool reads from the
// directory it is started in; deeper copies come with every project, and refusing them would break checkouts.

export interface Protection {
  readonly name: string;
  /** In words, for reasons. */
  readonly what: string;
  readonly paths: readonly string[];
  /** Below `paths`, but harmless. */
  readonly except?: readonly string[];
}

const roots = (...names: readonly string[]): string[] =>
  names.flatMap((name) => [`\${workspace}/${name}`, `\${home}/${name}`]);
const inHome = (...names: readonly string[]): string[] => names.map((name) => `\${home}/${name}`);
const anywhere = (...names: readonly string[]): string[] => names.map((name) => `**/${name}`);
/** Where package managers unpack what others wrote: nobody opens an agent there. */
const packages = (...names: readonly string[]): string[] =>
  [
    '**/node_modules',
    '**/site-packages',
    '${home}/.cache',
    '${home}/.cargo/registry',
    '${home}/go/pkg',
  ].flatMap((place) => names.map((name) => `${place}/**/${name}`));

export const protections: readonly Protection[] = [
  {
    name: 'shell-startup',
    what: 'a shell start-up file',
    paths: [
      ...anywhere('.bashrc', '.bash_profile', '.bash_login', '.bash_logout', '.bash_aliases', '.profile'),
      ...anywhere(
        '.zshrc',
        '.zprofile',
        '.zshenv',
        '.zlogin',
        '.zlogout',
        '.kshrc',
        '.mkshrc',
        '.cshrc',
        '.tcshrc',
      ),
      ...inHome('.login', '.logout', '.inputrc', '.oh-my-zsh', '.zsh', '.bashrc.d', '.bash_completion'),
      ...inHome(
        '.config/fish',
        '.config/nushell',
        '.config/powershell',
        '.config/zsh',
        '.config/xonsh',
        '.xonshrc',
      ),
    ],
  },
  {
    name: 'git-hooks',
    what: 'a git hook',
    paths: anywhere('.git/hooks/*', '.git/modules/**/hooks/*'),
    except: anywhere('.git/hooks/*.sample', '.git/modules/**/hooks/*.sample'),
  },
  {
    // The mediator lets a new config through when it adds nothing that runs a program: see the rule id there.
    name: 'git-config',
    what: "git's configuration of a repository",
    paths: anywhere('.git/config', 'config.worktree', '.git/modules/**/config'),
  },
  { name: 'git-attributes', what: "git's private attributes", paths: anywhere('.git/info/attributes') },
  {
    // In a plain repository this file moves configuration and hooks elsewhere; worktrees have theirs one level deeper.
    name: 'git-common-dir',
    what: 'a redirection of a git directory',
    paths: anywhere('.git/commondir'),
  },
  { name: 'git-user-config', what: "git's user configuration", paths: inHome('.gitconfig', '.config/git') },
  {
    name: 'vscode-settings',
    what: 'editor settings that can start tasks',
    paths: [
      ...roots('.vscode', '*.code-workspace', '.vscode-server', '.vscode-oss'),
      ...inHome('.config/Code', '.config/VSCodium', '.config/Cursor'),
    ],
  },
  {
    name: 'idea-settings',
    what: 'editor settings that can start tasks',
    paths: [...roots('.idea', '.fleet', '.run'), ...inHome('.config/JetBrains')],
  },
  {
    name: 'editor-settings',
    what: 'editor settings that can run code',
    paths: [
      ...roots(
        '.zed',
        '.exrc',
        '.nvimrc',
        '.nvim.lua',
        '.vimrc',
        '.dir-locals.el',
        '.emacs',
        '.emacs.d',
        '.vim',
      ),
      ...inHome('.config/nvim', '.config/emacs', '.config/zed', '.config/helix', '.config/vim'),
    ],
  },
  {
    name: 'devcontainer',
    what: 'a container definition whose commands run on the host',
    paths: roots('.devcontainer', '.devcontainer.json'),
  },
  {
    name: 'claude-settings',
    what: 'settings of Claude Code that can run code (hooks, plugins, commands, its own program)',
    paths: [
      ...roots('.claude/settings.json', '.claude/settings.local.json', '.claude/hooks', '.claude/commands'),
      ...roots('.claude/agents', '.claude/skills', '.claude/plugins'),
      ...anywhere('.claude/settings.json', '.claude/settings.local.json'),
      ...inHome('.claude/local', '.claude/managed-settings.json', '.claude/keybindings.json'),
    ],
    except: packages('.claude/settings.json', '.claude/settings.local.json'),
  },
  {
    name: 'codex-settings',
    what: 'settings of Codex that can run code (MCP servers, notify, hooks, rules)',
    paths: [
      ...roots('.codex/config.toml', '.codex/hooks.json', '.codex/hooks', '.codex/rules', '.codex/skills'),
      ...roots('.codex/prompts', '.codex/*.config.toml'),
      ...inHome('.codex/packages', '.codex/bin'),
      ...anywhere('.codex/config.toml'),
    ],
    except: [...inHome('.codex/skills/.system'), ...packages('.codex/config.toml')],
  },
  {
    name: 'gemini-settings',
    what: 'settings of Gemini CLI that can run code (MCP servers, extensions, hooks)',
    paths: [
      ...roots(
        '.gemini/settings.json',
        '.gemini/extensions',
        '.gemini/commands',
        '.gemini/hooks',
        '.gemini/policies',
      ),
      ...roots('.gemini/.env', '.gemini/sandbox.Dockerfile'),
      ...inHome('.gemini/trustedFolders.json'),
      ...anywhere('.gemini/settings.json'),
    ],
    except: packages('.gemini/settings.json'),
  },
  {
    name: 'opencode-settings',
    what: 'settings of OpenCode that can run code (plugins, tools, MCP servers)',
    paths: [
      '${workspace}/opencode.json*',
      ...['plugin', 'plugins', 'tool', 'tools', 'command', 'commands', 'agent', 'agents'].flatMap((name) => [
        `\${workspace}/.opencode/${name}`,
        `\${home}/.opencode/${name}`,
        `\${home}/.config/opencode/${name}`,
      ]),
      ...inHome('.config/opencode/opencode.json*', '.config/opencode/config.json', '.opencode/bin'),
      '${workspace}/.opencode/opencode.json*',
    ],
  },
  {
    name: 'agent-settings',
    what: 'settings of another agent',
    paths: [
      ...roots('.cursor', '.windsurf', '.continue', '.roo', '.kiro', '.amp', '.cline', '.junie'),
      ...roots('.aider.conf.yml', '.copilot', '.qwen/settings.json', '.goosehints'),
      ...inHome('.config/goose', '.config/amp', '.config/github-copilot', '.codeium'),
    ],
  },
  {
    name: 'mcp-servers',
    what: 'a list of MCP servers to start',
    paths: [...roots('.mcp.json'), ...anywhere('.mcp.json', '.cursor/mcp.json')],
    except: packages('.mcp.json', '.cursor/mcp.json'),
  },
  {
    name: 'direnv',
    what: 'commands that direnv runs',
    paths: [...roots('.envrc'), ...inHome('.config/direnv', '.local/share/direnv')],
  },
  {
    name: 'autostart',
    what: 'a program that starts by itself',
    paths: [
      ...inHome('.config/autostart', '.config/autostart-scripts', '.config/systemd', '.config/environment.d'),
      ...inHome('.config/plasma-workspace', '.config/upstart', '.config/i3', '.config/sway', '.config/hypr'),
      ...inHome(
        '.local/share/systemd',
        '.local/share/applications',
        '.local/share/dbus-1',
        '.local/share/kio',
      ),
      ...inHome(
        '.pam_environment',
        '.xprofile',
        '.xinitrc',
        '.xsession',
        '.xsessionrc',
        '.Xsession',
        '.xserverrc',
      ),
      ...inHome('.tmux.conf', '.config/tmux', '.screenrc', '.gdbinit', '.lldbinit', '.terminfo', '.forward'),
    ],
  },
  {
    name: 'home-programs',
    what: "a program on the user's search path",
    paths: inHome(
      'bin',
      '.local/bin',
      '.cargo/bin',
      '.cargo/env',
      '.bun/bin',
      '.deno/bin',
      'go/bin',
      '.npm-global/bin',
    ),
  },
  {
    name: 'package-settings',
    what: 'settings of a package manager that can run code',
    paths: inHome(
      '.npmrc',
      '.yarnrc',
      '.yarnrc.yml',
      '.bunfig.toml',
      '.pypirc',
      '.config/pip',
      '.pip',
      '.pydistutils.cfg',
      '.cargo/config',
      '.cargo/config.toml',
      '.gemrc',
      '.bundle/config',
      '.m2/settings.xml',
      '.gradle/init.gradle',
      '.gradle/init.d',
      '.gradle/gradle.properties',
      '.config/pnpm',
      '.config/uv',
      '.config/go/env',
      '.condarc',
    ),
  },
  { name: 'ssh', what: 'keys and settings of ssh', paths: inHome('.ssh') },
  { name: 'gnupg', what: 'keys and settings of GnuPG', paths: inHome('.gnupg') },
  {
    name: 'crontabs',
    what: 'a timetable of programs to start',
    paths: ['/etc/cron*', '/etc/anacrontab', '/var/spool/cron', '/var/spool/at', '/var/spool/anacron'],
  },
];

export const protectionId = (name: string): string => `builtin/protected/${name}`;

/** The name inside a rule id, or undefined when the rule is not a protection. */
export const protectionOf = (id: string): string | undefined =>
  id.startsWith('builtin/protected/') ? id.slice('builtin/protected/'.length) : undefined;

export const isProtection = (name: string): boolean => protections.some((each) => each.name === name);
