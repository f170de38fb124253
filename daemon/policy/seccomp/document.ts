// The table as a page for people: daemon/docs/SYSCALLS.md. A test holds the page to the table.
import { leavesOf } from './judge.ts';
import type { Leaf, Rule } from './rule.ts';
import { table } from './table.ts';
import type { Row } from './table.ts';

type Group = 'mediated' | 'by-argument' | 'refused' | 'unavailable' | 'allowed';

const titles: Readonly<Record<Group, readonly [title: string, text: string]>> = {
  mediated: [
    'Decided by the mediator, each time',
    'The call is held. `open`, `mutate`, `connect`, `bind` and `send` are carried out on behalf of the caller, on the object that was judged; `exec` and `started` go on in the kernel, where fanotify judges the image that is really opened. `process` goes on in the kernel too, or is refused: what aims beyond the namespaces is recorded.',
  ],
  'by-argument': [
    'Decided by an argument',
    'The filter looks at register arguments, which cannot change after the call.',
  ],
  refused: ['Refused and recorded', 'The caller gets the error; the record has the reason.'],
  unavailable: [
    'Not available',
    'The kernel answers alone, and nothing is recorded: libraries try these first and fall back to a call that is mediated.',
  ],
  allowed: ['Allowed', 'The kernel lets these through without asking anybody.'],
};

const errorNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  22: 'EINVAL',
  38: 'ENOSYS',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
};
const errorName = (value: number): string => errorNames[value] ?? String(value);

function groupOf(rule: Rule): Group {
  switch (rule.do) {
    case 'when':
      return 'by-argument';
    case 'allow':
      return 'allowed';
    case 'errno':
      return 'unavailable';
    case 'notify':
      return rule.kind === 'deny' ? 'refused' : 'mediated';
  }
}

function leafText(leaf: Leaf): string {
  if (leaf.do === 'allow') return 'allowed';
  if (leaf.do === 'errno') return errorName(leaf.errno);
  if (leaf.kind !== 'deny') return leaf.kind;
  return leaf.reason === '' ? errorName(leaf.errno) : `${errorName(leaf.errno)} (${leaf.reason})`;
}

const outcome = (rule: Rule): string => [...new Set(leavesOf(rule).map(leafText))].join('; ');

function line([name, x86, arm, rule, why]: Row): string {
  const number = (nr: number | undefined): string => (nr === undefined ? '–' : String(nr));
  return `| ${name} | ${number(x86)} | ${number(arm)} | ${outcome(rule)} | ${why} |\n`;
}

function section(group: Group): string {
  const rows = table.filter(([, , , rule]) => groupOf(rule) === group);
  const sorted = rows.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const [title, text] = titles[group];
  const head = '| call | x86-64 | arm64 | outcome | why |\n| --- | --- | --- | --- | --- |\n';
  return `\n## ${title}\n\n${text}\n\n${head}${sorted.map(line).join('')}`;
}

const introduction = `# System calls

Generated from \`daemon/policy/seccomp/table.ts\`; do not edit. Every system call of an agent and its descendants passes
this filter first. **A call that is not on this page is refused** with ENOSYS, and recorded; so is every call of another
architecture (\`int 0x80\`) and every x32 call. \`–\`: the architecture does not have the call.
`;

export function syscallsDocument(): string {
  return introduction + (Object.keys(titles) as Group[]).map(section).join('');
}
