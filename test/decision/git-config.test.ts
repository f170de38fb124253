import t from 'tap';
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeGitConfig } from '../../daemon/decision/git-config.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const plain = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
`;

const hostile: readonly (readonly [string, string])[] = [
  ['a hook path', '[core]\n\thooksPath = /ws/evil\n'],
  ['a file system monitor', '[core]\n\tfsmonitor = ./evil\n'],
  ['an ssh command', '[core]\n\tsshCommand = ./evil\n'],
  ['an editor', '[core]\n\teditor = ./evil\n'],
  ['a pager', '[core]\n\tpager = ./evil\n'],
  ['a pager of one command', '[pager]\n\tlog = ./evil\n'],
  ['another spelling of the section', '[CoRe]\n\tFSMONITOR=./evil\n'],
  ['everything on one line', '[core] fsmonitor = ./evil\n'],
  ['no space and no newline', '[core]fsmonitor=./evil'],
  ['the old form of a subsection', '[filter.x]\n\tclean = ./evil\n'],
  ['a filter', '[filter "x"]\n\tsmudge = ./evil\n'],
  ['a textconv', '[diff "x"]\n\ttextconv = ./evil\n'],
  ['an external diff', '[diff]\n\texternal = ./evil\n'],
  ['a merge driver', '[merge "x"]\n\tdriver = ./evil %A\n'],
  ['a merge tool', '[mergetool "x"]\n\tcmd = ./evil\n'],
  ['an alias', '[alias]\n\tst = !./evil\n'],
  ['a credential helper', '[credential]\n\thelper = !./evil\n'],
  ['a signing program', '[gpg]\n\tprogram = ./evil\n'],
  ['a signing program of ssh', '[gpg "ssh"]\n\tprogram = ./evil\n'],
  ['an include', '[include]\n\tpath = ../evil\n'],
  ['a conditional include', '[includeIf "gitdir:/"]\n\tpath = ../evil\n'],
  ['another work tree', '[core]\n\tworktree = /home\n'],
  ['attributes elsewhere', '[core]\n\tattributesFile = ../evil\n'],
  ['a hook of garbage collection', '[gc]\n\trecentObjectsHook = ./evil\n'],
  ['a hook by configuration', '[hook "x"]\n\tcommand = ./evil\n\tevent = post-commit\n'],
  ['a transfer program of lfs', '[lfs "customtransfer.x"]\n\tpath = ./evil\n'],
  ['a standalone agent of lfs', '[lfs]\n\tstandalonetransferagent = x\n'],
  ['an update command of a submodule', '[submodule "x"]\n\tupdate = !./evil\n'],
  ['a transport helper', '[remote "x"]\n\turl = ext::sh -c evil\n'],
  ['a transport helper in quotes', '[remote "x"]\n\turl = "e"xt":":sh\n'],
  ['a transport helper as a branch’s remote', '[branch "x"]\n\tremote = ext::sh -c evil\n'],
  ['a transport helper of a submodule', '[submodule "x"]\n\turl = fd::3\n'],
  ['a remote’s upload program', '[remote "x"]\n\tuploadpack = ./evil\n'],
  ['an address in place of another', '[url "ext::sh -c evil"]\n\tinsteadOf = https://\n'],
  ['a protocol allowed', '[protocol "ext"]\n\tallow = always\n'],
  ['a template directory', '[init]\n\ttemplateDir = ./evil\n'],
  ['a sequence editor', '[sequence]\n\teditor = ./evil\n'],
  ['a diff filter', '[interactive]\n\tdiffFilter = ./evil\n'],
  ['a trailer command', '[trailer "x"]\n\tcmd = ./evil\n'],
  ['a section of tomorrow', '[tomorrow]\n\tprogram = ./evil\n'],
  ['a line behind a comment that ends with a backslash', '[core]\n# x \\\n\tfsmonitor = ./evil\n'],
  ['a line behind a section’s comment that ends with a backslash', '[core] ; x \\\n\tfsmonitor = ./evil\n'],
  [
    'a line behind a value’s comment that ends with a backslash',
    '[core]\n\tfilemode = true # \\\n\tfsmonitor = ./evil\n',
  ],
  ['a line behind an escaped backslash', '[user]\n\tname = x\\\\\n[core]\n\tfsmonitor = ./evil\n'],
  ['a line behind two section headers', '[user][core]\n\tfsmonitor = ./evil\n'],
  ['a byte order mark', '\uFEFF[core]\n\tfsmonitor = ./evil\n'],
  ['carriage returns', '[core]\r\n\tfsmonitor = ./evil\r\n'],
  ['a lone carriage return', '[user]\n\tname = x\r[core]\r\tfsmonitor = ./evil\n'],
];

for (const [what, text] of hostile)
  t.test(`refuses ${what}`, async (t) => {
    t.type(judgeGitConfig(plain, plain + text), 'string');
    t.type(judgeGitConfig('', text), 'string', 'also in a new repository');
  });

const honest: readonly (readonly [string, string])[] = [
  ['what git init writes', plain],
  [
    'what git clone writes',
    `${plain}[remote "origin"]\n\turl = git@github.com:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n`,
  ],
  [
    'a partial clone',
    `${plain}[remote "origin"]\n\turl = https://h/a\n\tpromisor = true\n\tpartialclonefilter = blob:none\n[extensions]\n\tpartialClone = origin\n`,
  ],
  ['a submodule', `${plain}[submodule "lib"]\n\turl = https://h/lib\n\tactive = true\n`],
  ['a name and address', `${plain}[user]\n\tname = A "B" C\n\temail = a@b\n`],
  ['a value over two lines', `${plain}[user]\n\tname = A \\\n B\n`],
  ['a comment', `# mine\n${plain}; yours\n`],
  ['sparse checkout', `${plain}[core]\n\tsparseCheckout = true\n[extensions]\n\tworktreeConfig = true\n`],
  [
    'a branch of a pull request',
    `${plain}[branch "x"]\n\tremote = https://github.com/a/b.git\n\tmerge = refs/pull/1/head\n\tvscode-merge-base = origin/main\n`,
  ],
];

for (const [what, text] of honest)
  t.test(`accepts ${what}`, async (t) => {
    t.equal(judgeGitConfig(plain, text), undefined);
  });

t.test('what was there already may stay, but not under another subsection or section', async (t) => {
  const mine = '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n[alias]\n\tst = status\n';
  t.equal(judgeGitConfig(plain + mine, `${plain + mine}[user]\n\tname = x\n`), undefined);
  t.type(
    judgeGitConfig(plain + mine, `${plain + mine}[filter "x"]\n\tclean = git-lfs clean -- %f\n`),
    'string',
  );
  t.type(judgeGitConfig(plain + mine, `${plain + mine}[pager]\n\tst = status\n`), 'string');
});

const noGit = spawnSync('git', ['--version']).status === 0 ? false : 'git is not installed';
t.test(
  'what git reads as a setting that acts is refused, however it is written',
  { skip: noGit },
  async (t) => {
    const directory = temporaryDirectory(t);
    const file = join(directory, 'config');
    const piece = fc.constantFrom(
      '[core]',
      '[user]',
      '[ core ]',
      '[core "x"]',
      '[user "a]b"]',
      '[core.x]',
      '\n',
      '\n',
      '\n',
      '\\\n',
      '\r\n',
      '\r',
      '\\',
      '"',
      '#',
      ';',
      ' ',
      '\t',
      '=',
      'name = x',
      'filemode = true',
      'fsmonitor = evil',
      'fsmonitor',
      '\\"',
      '\\\\',
      '\\n',
      '\u00a0',
      '\v',
      '\f',
      '\u2028',
    );
    const noise = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
    const texts = fc.tuple(noise, noise, noise).map(([a, b, c]) => `${a}[core]${b}fsmonitor = evil${c}`);
    let seen = 0;
    fc.assert(
      fc.property(texts, (text) => {
        writeFileSync(file, text);
        const { stdout } = spawnSync('git', [
          'config',
          '--file',
          file,
          '--no-includes',
          '--get-all',
          'core.fsmonitor',
        ]);
        if (stdout.length === 0) return true;
        seen++;
        return judgeGitConfig('', text) !== undefined;
      }),
      { numRuns: 200, examples: hostile.slice(40).map(([, text]) => [text] as [string]) },
    );
    t.ok(seen > 10, `git found the setting ${seen} times`);
  },
);

t.test('a submodule says where its files are, inside its repository only', async (t) => {
  const says = (value: string): string => `${plain}[core]\n\tworktree = ${value}\n`;
  const submodule = '/ws/main/.git/modules/sub';
  t.equal(judgeGitConfig(plain, says('../../../sub'), { directory: submodule, workspace: '/ws' }), undefined);
  t.equal(
    judgeGitConfig(plain, says('../../../../a/b'), {
      directory: '/ws/main/.git/modules/a/b',
      workspace: '/ws',
    }),
    undefined,
  );
  for (const value of [
    '../../../../other',
    '../../..',
    '../../hooks',
    '/ws/main/sub',
    '../../../sub/../../x',
    '"../../../sub"',
    'x',
  ])
    t.type(judgeGitConfig(plain, says(value), { directory: submodule, workspace: '/ws' }), 'string', value);
  t.type(
    judgeGitConfig(plain, says('../../../sub'), { directory: '/ws/main/.git', workspace: '/ws' }),
    'string',
    'in a main repository',
  );
  t.type(judgeGitConfig(plain, says('../../../sub')), 'string', 'nobody knows where');
});

t.test('a snapshot kept elsewhere has the workspace for its files, and nothing else', async (t) => {
  const snapshot = { directory: '/home/u/.local/share/agent/snapshot', workspace: '/home/u/work' };
  const says = (value: string): string => `[core]\n\tworktree = ${value}\n`;
  for (const value of ['/home/u/work', '/home/u/work/sub'])
    t.equal(judgeGitConfig('', says(value), snapshot), undefined, value);
  for (const value of [
    '/home/u',
    '/home/u/workshop',
    '/home/u/work/..',
    '/home/u/work/"../.."',
    '/home/u/work/\\"..\\"',
    '"/home/u/work"',
    '/home/u/work/sub/.git',
    '/home/u/work/.git/hooks',
    'relative',
    '',
  ])
    t.type(judgeGitConfig('', says(value), snapshot), 'string', value);
  const inside = { ...snapshot, directory: '/home/u/work/nested/.git' };
  t.type(judgeGitConfig('', says('/home/u/work'), inside), 'string', 'one that lies in the workspace');
  t.type(judgeGitConfig('', says('/home/u/work')), 'string', 'nobody knows where');
});
