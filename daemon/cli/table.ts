// Every verb of `cordon`, in the order in which help shows them.
import type { Verb, VerbOption } from './verb.ts';

const session: VerbOption = { flags: '--session <id>', summary: 'only this session' };
const since: VerbOption = { flags: '--since <time>', summary: 'a span such as 10m or 2h, or an ISO time' };
const limit: VerbOption = { flags: '--limit <n>', summary: 'at most this many, the newest' };
const all: VerbOption = { flags: '--all', summary: 'every session' };
const reason: VerbOption = { flags: '--reason <text>', summary: 'why, for the record' };
const workspace: VerbOption = { flags: '--workspace <dir>', summary: 'value of ${workspace}' };
const user: VerbOption = { flags: '--user <name>', summary: 'whose ${home}' };
const profiles: VerbOption = { flags: '--profiles <dir>', summary: 'look for profiles here first' };

export const verbs: readonly Verb[] = [
  {
    name: 'run',
    summary: 'run a command as a session: cordon run [options] -- CMD…',
    operands: ['<command...>'],
    options: [
      { flags: '--profile <name>', summary: 'a profile by name, or a file' },
      { flags: '--workspace <dir>', summary: 'where the agent works; the current directory when not given' },
      { flags: '--mode <mode>', summary: 'enforce or monitor' },
      { flags: '--user <name>', summary: 'whose rights the agent gets (administrators only)' },
      { flags: '-q, --quiet', summary: 'no summary of what was blocked' },
    ],
    load: async () => (await import('./verbs/run.ts')).runVerb,
  },
  {
    name: 'status',
    summary: 'whether cordond runs, and what it has done',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/status.ts')).status,
  },
  {
    name: 'doctor',
    summary: 'check every layer by using it',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/doctor.ts')).doctor,
  },
  {
    name: 'sessions',
    summary: 'sessions, their state and their layers',
    operands: ['[session]'],
    options: [
      { flags: '-v, --verbose', summary: 'also the effective layers' },
      { flags: '--all', summary: 'also those that ended long ago' },
    ],
    load: async () => (await import('./verbs/sessions.ts')).sessions,
  },
  {
    name: 'blocks',
    summary: 'what was blocked, newest last',
    operands: [],
    options: [session, since, limit],
    load: async () => (await import('./verbs/blocks.ts')).blocks,
  },
  {
    name: 'explain',
    summary: 'why one action was blocked, and what would allow it',
    operands: ['<id>'],
    options: [],
    load: async () => (await import('./verbs/explain.ts')).explain,
  },
  {
    name: 'freeze',
    summary: 'stop every process of a session',
    operands: ['[session]'],
    options: [all, reason],
    load: async () => (await import('./verbs/control.ts')).freeze,
  },
  {
    name: 'resume',
    summary: 'let a frozen session go on; --all also lets new sessions start again',
    operands: ['[session]'],
    options: [all, reason],
    load: async () => (await import('./verbs/control.ts')).resume,
  },
  {
    name: 'kill',
    summary: 'end a session; --all also refuses new ones until resume --all',
    operands: ['[session]'],
    options: [all, reason],
    load: async () => (await import('./verbs/control.ts')).kill,
  },
  {
    name: 'policy check',
    summary: 'check a profile without loading it',
    operands: ['<profile>'],
    options: [profiles],
    load: async () => (await import('./verbs/policy-check.ts')).policyCheck,
  },
  {
    name: 'policy show',
    summary: 'the effective policy, after inheritance',
    operands: ['<profile>'],
    options: [workspace, user, profiles],
    load: async () => (await import('./verbs/policy-show.ts')).policyShow,
  },
  {
    name: 'policy test',
    summary: 'run the tables of expected verdicts that profiles bring along',
    operands: ['[profile]'],
    options: [profiles],
    load: async () => (await import('./verbs/policy-test.ts')).policyTest,
  },
  {
    name: 'audit tail',
    summary: 'the newest records, allowed and denied',
    operands: [],
    options: [session, since, limit, { flags: '-f, --follow', summary: 'go on as new ones come' }],
    load: async () => (await import('./verbs/audit-tail.ts')).auditTail,
  },
  {
    name: 'completion bash',
    summary: 'completion for bash: eval "$(cordon completion bash)"',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/completion.ts')).completion,
  },
];
