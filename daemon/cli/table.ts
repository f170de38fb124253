// Every verb of `cordon`, in the order in which help shows them.
import { filterOptions } from './filter-options.ts';
import type { Verb, VerbOption } from './verb.ts';

const session: VerbOption = { flags: '--session <id>', summary: 'only this session' };
const since: VerbOption = { flags: '--since <time>', summary: 'a span such as 10m or 2h, or an ISO time' };
const limit: VerbOption = { flags: '--limit <n>', summary: 'at most this many, the newest' };
const reveal: VerbOption = {
  flags: '--reveal',
  summary: 'with what is sealed (administrators; it is recorded)',
};
const all: VerbOption = { flags: '--all', summary: 'every session' };
const reason: VerbOption = { flags: '--reason <text>', summary: 'why, for the record' };
const workspace: VerbOption = { flags: '--workspace <dir>', summary: 'value of ${workspace}' };
const user: VerbOption = { flags: '--user <name>', summary: 'whose ${home}' };
const verifier: VerbOption = { flags: '--verifier <url>', summary: 'a verifier: https://host:port' };
const authority: VerbOption = {
  flags: '--ca <file>',
  summary: 'authority of the verifier’s certificate (PEM)',
};
const written = (what: string): VerbOption => ({ flags: '--out <path>', summary: what });
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
    options: [reveal],
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
    name: 'audit query',
    summary: 'records by session, time, class, verdict, path and host',
    operands: [],
    options: [
      ...filterOptions,
      limit,
      { flags: '--before <position>', summary: 'go on from where a page ended' },
      reveal,
    ],
    load: async () => (await import('./verbs/audit-query.ts')).auditQuery,
  },
  {
    name: 'audit export',
    summary: 'the log, or a part of it, as a file that proves itself, or as a table',
    operands: [],
    options: [
      { flags: '--format <format>', summary: 'jsonl (with proofs; when not given), csv or parquet' },
      { flags: '--out <file>', summary: 'where to; standard output when not given' },
      ...filterOptions,
    ],
    load: async () => (await import('./verbs/audit-export.ts')).auditExport,
  },
  {
    name: 'audit reveal',
    summary: 'exported or shipped records with what is sealed in them: without a daemon, with the escrow key',
    operands: ['<file>'],
    options: [
      { flags: '--escrow <file>', summary: 'the private escrow key (PEM)' },
      { flags: '--keys <file>', summary: 'the machine’s sealed keys: <state-dir>/keys/sealed.json' },
    ],
    load: async () => (await import('./verbs/audit-reveal.ts')).auditReveal,
  },
  {
    name: 'attest status',
    summary: 'what TPM there is, and what was last proved',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/attest-status.ts')).attestStatus,
  },
  {
    name: 'attest enroll',
    summary: 'make this machine known to a verifier',
    operands: [],
    options: [
      verifier,
      authority,
      written('without a verifier: write the request here'),
      { flags: '--challenge <file>', summary: 'without a verifier: answer its challenge' },
      { flags: '--keep <file>', summary: 'without a verifier: keep its word on this machine' },
    ],
    load: async () => (await import('./verbs/attest-enroll.ts')).attestEnroll,
  },
  {
    name: 'attest quote',
    summary: 'evidence for a nonce, or for a verifier',
    operands: [],
    options: [
      { flags: '--nonce <hex>', summary: 'of who wants the quote: 8 to 64 bytes' },
      written('a directory for the quote’s files'),
      verifier,
      authority,
    ],
    load: async () => (await import('./verbs/attest-quote.ts')).attestQuote,
  },
  {
    name: 'attest verify',
    summary: 'judge evidence, without daemon, TPM or network',
    operands: ['<evidence>'],
    options: [
      { flags: '--nonce <hex>', summary: 'the nonce that was asked for' },
      { flags: '--reference <file>', summary: 'what is expected (JSON)' },
      { flags: '--key <file>', summary: 'the verifier’s key (JWK): reads enrolments, signs the result' },
      written('write the result here: a signed EAT'),
    ],
    load: async () => (await import('./verbs/attest-verify.ts')).attestVerify,
  },
  {
    name: 'attest seal',
    summary: 'a file that only this machine opens, started as it is now',
    operands: ['<file>'],
    options: [written('the sealed file')],
    load: async () => (await import('./verbs/attest-sealed.ts')).attestSeal,
  },
  {
    name: 'attest unseal',
    summary: 'open a sealed file with this machine’s TPM',
    operands: ['<sealed>'],
    options: [written('where its contents go')],
    load: async () => (await import('./verbs/attest-sealed.ts')).attestUnseal,
  },
  {
    name: 'attest recover',
    summary: 'open a sealed file with the escrow key; without a file: cordond’s own keys, and seal them anew',
    operands: ['[sealed]'],
    options: [
      { flags: '--key <file>', summary: 'the private escrow key (PEM)' },
      {
        flags: '--content <file>',
        summary: 'instead of the key: cordond’s keys as they were recovered elsewhere',
      },
      written('where the contents of the sealed file go'),
    ],
    load: async () => (await import('./verbs/attest-sealed.ts')).attestRecover,
  },
  {
    name: 'verifier serve',
    summary: 'be a verifier for pilots: enrol, challenge, verify, over HTTPS',
    operands: [],
    options: [
      { flags: '--state <dir>', summary: 'its key and its memory' },
      { flags: '--listen <address>', summary: 'address:port; 127.0.0.1:8443 when not given' },
      { flags: '--cert <file>', summary: 'certificate of the service (PEM)' },
      { flags: '--cert-key <file>', summary: 'its private key (PEM)' },
      { flags: '--roots <file>', summary: 'roots of TPM makers (PEM)' },
      { flags: '--software-roots <file>', summary: 'roots of software TPMs, for tests (PEM)' },
      { flags: '--intermediates <file>', summary: 'what lies between (PEM)' },
      { flags: '--reference <file>', summary: 'what is expected (JSON)' },
      { flags: '--issuer <name>', summary: 'iss of its results' },
    ],
    load: async () => (await import('./verbs/verifier-serve.ts')).verifierServe,
  },
  {
    name: 'audit verify',
    summary: 'check that nothing in the log was changed, or an exported file',
    operands: [],
    options: [
      { flags: '--file <export>', summary: 'an export; needs no daemon' },
      { flags: '--key <vkey>', summary: 'with --file: the log’s key, as audit prove shows it' },
      { flags: '--witness <vkey...>', summary: 'keys of witnesses whose cosignatures count' },
      { flags: '--checkpoint <file>', summary: 'one that was kept elsewhere: the log must go on from it' },
      { flags: '--database <path>', summary: 'read the database itself (as root)' },
    ],
    load: async () => (await import('./verbs/audit-verify.ts')).auditVerify,
  },
  {
    name: 'audit prove',
    summary: 'prove that an event is in the log, or that the log only grew',
    operands: ['[id]'],
    options: [
      { flags: '--from <size>', summary: 'that the log of this size is the beginning of' },
      { flags: '--to <size>', summary: 'the log of that size; as it is now when not given' },
    ],
    load: async () => (await import('./verbs/audit-prove.ts')).auditProve,
  },
  {
    name: 'audit sinks',
    summary: 'where records are shipped to, and how far that is',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/audit-sinks.ts')).auditSinks,
  },
  {
    name: 'token mint',
    summary: 'a token for a running session, bound to a key',
    operands: [],
    options: [
      { flags: '--session <id>', summary: 'whose token: it permits nothing that the session may not do' },
      { flags: '--audience <uri>', summary: 'the backend it is for' },
      { flags: '--detail <json>', summary: 'what it permits: one detail, or a list of them' },
      { flags: '--key <file>', summary: 'P-256 key it is bound to; made when not there' },
      { flags: '--jkt <thumbprint>', summary: 'bind it to the key with this RFC 7638 thumbprint' },
      { flags: '--lifetime <span>', summary: 'such as 60s or 5m; at most what the profile says' },
      { flags: '--uses <n>', summary: 'how often it may be used; once when not given' },
      { flags: '--purpose <text>', summary: 'what for' },
    ],
    load: async () => (await import('./verbs/token/mint.ts')).tokenMint,
  },
  {
    name: 'token inspect',
    summary: 'what a token says, without checking it',
    operands: ['[token]'],
    options: [],
    load: async () => (await import('./verbs/token/inspect.ts')).tokenInspect,
  },
  {
    name: 'token verify',
    summary: 'check a token as a backend would; token, file, or - for standard input',
    operands: ['[token]'],
    options: [
      { flags: '--jwks <source>', summary: 'key set: a file, or a URL on this machine' },
      { flags: '--issuer <uri>', summary: 'who must have issued it' },
      { flags: '--audience <uri>', summary: 'who it must be for' },
      { flags: '--status <source>', summary: 'status list: a file, or a URL on this machine' },
      { flags: '--proof <jwt>', summary: 'the DPoP field of the request' },
      { flags: '--bearer', summary: 'take a token that is bound to no key' },
      { flags: '--method <method>', summary: 'of the request' },
      { flags: '--url <url>', summary: 'of the request' },
      { flags: '--replay <file>', summary: 'remember proofs and uses here from one call to the next' },
    ],
    load: async () => (await import('./verbs/token/verify.ts')).tokenVerify,
  },
  {
    name: 'token list',
    summary: 'tokens that have not expired',
    operands: [],
    options: [session, { flags: '--all', summary: 'also revoked and used ones' }],
    load: async () => (await import('./verbs/token/list.ts')).tokenList,
  },
  {
    name: 'token revoke',
    summary: 'end tokens, and all that were made from them, at once',
    operands: ['[id]'],
    options: [
      { flags: '--session <id>', summary: 'those of this session' },
      { flags: '--agent <name>', summary: 'those of this agent' },
      { flags: '--policy <digest>', summary: 'those minted under this policy' },
      { flags: '--all', summary: 'every token' },
      reason,
    ],
    load: async () => (await import('./verbs/token/revoke.ts')).tokenRevoke,
  },
  {
    name: 'token jwks',
    summary: 'public keys, for those who check tokens',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/token/keys.ts')).tokenJwks,
  },
  {
    name: 'token status',
    summary: 'the signed list of revoked tokens',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/token/keys.ts')).tokenStatus,
  },
  {
    name: 'token rotate',
    summary: 'a new key, published before it signs (administrators)',
    operands: [],
    options: [{ flags: '--now', summary: 'at once; tokens by older keys are worthless' }],
    load: async () => (await import('./verbs/token/keys.ts')).tokenRotate,
  },
  {
    name: 'completion bash',
    summary: 'completion for bash: eval "$(cordon completion bash)"',
    operands: [],
    options: [],
    load: async () => (await import('./verbs/completion.ts')).completion,
  },
];
