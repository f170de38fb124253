// What a repository's configuration may say: it must not gain a program, a hook path or an include that git on the host
// would follow. Pure; the text is bounded by the caller.

/** Keys (lower case, without subsection) whose value git runs, or takes further configuration or programs from. */
const forbidden: readonly RegExp[] = [
  /^core\.(hookspath|fsmonitor|sshcommand|editor|pager|askpass|gitproxy|attributesfile|excludesfile|worktree|alternaterefscommand|commentchar)$/,
  /^(include|includeif)\.path$/,
  /^filter\.(clean|smudge|process)$/,
  /^(diff|difftool|merge|mergetool|browser|man)\.(command|cmd|textconv|driver|external|path|tool|guitool)$/,
  /^diff\.external$/,
  /^(alias|pager|credential|gpg|http|protocol|sendemail|uploadpack|receive|trailer|sequence|interactive|init|submodule\.alternatelocation|instaweb|web|guitool|tar|imap|p4|svn-remote)\./,
  /^remote\.(uploadpack|receivepack|vcs|proxy|proxyauthmethod|partialclonefilter)$/,
  /^submodule\.(update|recurse)$/,
  /^url\.(insteadof|pushinsteadof)$/,
  /^(extensions)\.(worktreeconfig|partialclone)$/,
  /^safe\./,
];
/** Exceptions of the above that git itself writes for clones, fetches and partial clones. */
const harmless = new Set([
  'remote.partialclonefilter',
  'extensions.partialclone',
  'extensions.worktreeconfig',
  'init.defaultbranch',
  'receive.denycurrentbranch',
  'http.postbuffer',
]);

interface Entry {
  readonly key: string;
  readonly value: string;
}

/** undefined: the new text adds nothing that acts on the host. Else why it is refused, in words. */
export function judgeGitConfig(before: string, after: string): string | undefined {
  const had = parse(before);
  const has = parse(after);
  if (has === undefined) return 'the new git configuration cannot be understood';
  const known = new Set((had ?? []).map((e) => `${e.key}\0${e.value}`));
  for (const entry of has) {
    if (known.has(`${entry.key}\0${entry.value}`) || !acts(entry)) continue;
    return `the new git configuration sets ${entry.key}, which makes git on this machine run or follow something`;
  }
  return undefined;
}

function acts({ key, value }: Entry): boolean {
  if (harmless.has(key)) return false;
  if (key === 'core.worktree' || key === 'core.excludesfile' || key === 'core.commentchar')
    return key === 'core.worktree';
  if (/^(remote\.(url|pushurl)|submodule\.url)$/.test(key))
    return /^\s*"?(ext|fd)::/i.test(value) || /::/.test(value.split('/')[0] ?? '');
  return forbidden.some((pattern) => pattern.test(key));
}

/** git-config(1)'s syntax as far as keys matter. undefined: something that is not that syntax. */
function parse(text: string): Entry[] | undefined {
  const entries: Entry[] = [];
  let section = '';
  const joined = text.replace(/\\\r?\n/g, ' ');
  for (const raw of joined.split(/\r?\n/)) {
    let line = raw.trim();
    const header = /^\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(line);
    if (header !== null) {
      // `[core "x"]` and the old `[core.x]` both have a subsection, which decides nothing here.
      section = (header[1] ?? '').toLowerCase().split('.')[0] ?? '';
      line = line.slice(header[0].length).trim();
    }
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const variable = /^([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$/.exec(line);
    if (variable === null || section === '') return undefined;
    entries.push({ key: `${section}.${(variable[1] ?? '').toLowerCase()}`, value: variable[2] ?? '' });
  }
  return entries;
}
