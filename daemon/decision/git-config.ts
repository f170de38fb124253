// What a repository's configuration may say: it must not gain a program, a hook path or an include that git on the host
// would follow. Pure; the text is bounded by the caller. Default deny: only settings known to run and follow nothing
// may be added or changed, so that a setting of a newer git, or of an extension, is refused until it was looked at.

import { normalise } from '../model/mod.ts';

/**
 * Keys `section.name` in lower case, without subsection: git-config(1) of git 2.39 to 2.52, and what git-lfs, gh and
 * editors write. Left out of harmless sections: whatever names a program, a file that git takes settings from, or a
 * directory that git follows.
 */
const harmless: readonly RegExp[] = [
  /^core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|hidedotfiles)$/,
  /^core\.(autocrlf|eol|safecrlf|checkroundtripencoding|quotepath|trustctime|checkstat|ignorestat|abbrev|compression)$/,
  /^core\.(loosecompression|bigfilethreshold|packedgit\w+|deltabasecachelimit|preloadindex|untrackedcache|splitindex)$/,
  /^core\.(commentchar|commentstring|excludesfile|fsync|fsyncmethod|fsyncobjectfiles|createobject|whitespace|multipackindex)$/,
  /^core\.(commitgraph|sparsecheckout|sparsecheckoutcone|sharedrepository|longpaths|warnambiguousrefs|protecthfs)$/,
  /^core\.(protectntfs|maxtreedepth|notesref)$/,
  /^remote\.(url|pushurl|fetch|push|mirror|tagopt|prune|prunetags|skipdefaultupdate|skipfetchall|promisor)$/,
  /^remote\.(partialclonefilter|followremotehead|gh-resolved|pushdefault|lfsurl|lfspushurl)$/,
  /^(branch|user|author|committer|pull|push|rebase|stash|tag|color|column|advice|status|log|index|pack|feature)\./,
  /^(rerere|blame|grep|apply|checkout|clone|notes|repack|maintenance|worktree|versionsort|commitgraph|gitflow)\./,
  /^(format|mailmap|showbranch|reflog|revert)\./,
  /^submodule\.(url|active|branch|ignore|fetchrecursesubmodules|shallow|fetchjobs|propagatebranches)$/,
  /^merge\.(ff|log|conflictstyle|renames|renamelimit|directoryrenames|stat|autostash|branchdesc|verbosity|suppressdest)$/,
  /^diff\.(algorithm|renames|renamelimit|context|interhunkcontext|mnemonicprefix|noprefix|colormoved|colormovedws)$/,
  /^diff\.(ignoresubmodules|submodule|statgraphwidth|wordregex|indentheuristic|relative|autorefreshindex|dirstat)$/,
  /^fetch\.(prune|prunetags|parallel|output|recursesubmodules|unpacklimit|writecommitgraph|negotiationalgorithm|all)$/,
  /^gc\.(auto|autopacklimit|autodetach|pruneexpire|reflogexpire\w*|packrefs|aggressive\w+|bigpackthreshold|writecommitgraph)$/,
  /^commit\.(gpgsign|verbose|cleanup|status)$/,
  /^extensions\.(objectformat|compatobjectformat|refstorage|partialclone|worktreeconfig|preciousobjects|noop|relativeworktrees)$/,
  /^(receive\.(denycurrentbranch|denynonfastforwards|denydeletes)|init\.defaultbranch|http\.postbuffer)$/,
  /^transfer\.(fsckobjects|hiderefs|unpacklimit)$/,
  /^lfs\.(repositoryformatversion|access|locksverify|url|fetchinclude|fetchexclude|concurrenttransfers)$/,
];

/** Where git connects to: a value may name a transport helper, which is a program (gitremote-helpers(7)). */
const addresses = /^(remote\.(url|pushurl|pushdefault)|submodule\.url|branch\.(remote|pushremote)|lfs\.url)$/;

interface Entry {
  /** `section.name` in lower case. */
  readonly key: string;
  /** As written, continuation lines joined. */
  readonly value: string;
  /** The header as written: it tells one subsection from another. */
  readonly section: string;
}

/** Where a configuration is, and where the agent works; absolute. */
export interface GitPlace {
  /** The git directory that it is of. */
  readonly directory: string;
  readonly workspace: string;
}
const nowhere: GitPlace = { directory: '', workspace: '' };

/** undefined: the new text adds nothing that acts on the host. Else why it is refused, in words. */
export function judgeGitConfig(before: string, after: string, place: GitPlace = nowhere): string | undefined {
  const has = parse(after);
  if (has === undefined) return 'the new git configuration cannot be understood';
  const identity = (e: Entry): string => `${e.section}\0${e.key}\0${e.value}`;
  const known = new Set((parse(before) ?? []).map(identity));
  const added = has.find((entry) => !known.has(identity(entry)) && acts(entry, place));
  return added === undefined
    ? undefined
    : `the new git configuration sets ${added.key}, which is not known to leave git on this machine alone`;
}

function acts({ key, value }: Entry, place: GitPlace): boolean {
  if (key === 'core.worktree') return !isOwnWorktree(place.directory, value) && !isSnapshot(place, value);
  if (addresses.test(key) && namesHelper(value)) return true;
  return !harmless.some((pattern) => pattern.test(key));
}

/**
 * git writes `core.worktree = ../../../sub` for a submodule, from its directory below `.git/modules`. It must lead to a place
 * in the repository itself: elsewhere git would write files wherever it says.
 */
function isOwnWorktree(directory: string, value: string): boolean {
  const root = directory.slice(0, Math.max(0, directory.indexOf('/.git/modules/')));
  if (root === '' || !/^(?:\.\.\/)+[^"\\#;\0]+$/.test(value)) return false;
  const place = normalise(`${directory}/${value}`);
  return place.startsWith(`${root}/`) && !`${place}/`.includes('/.git/');
}

/**
 * A repository kept elsewhere whose files are those of the workspace: agents keep snapshots so. One that lies in the
 * workspace is where people stand when they call git, which would then write where the agent may not.
 */
function isSnapshot({ directory, workspace }: GitPlace, value: string): boolean {
  if (workspace === '' || `${directory}/`.startsWith(`${workspace}/`)) return false;
  // Quotes, backslashes and comments would make git read another path than the one looked at here.
  if (/["\\#;\0]/.test(value) || normalise(value) !== value) return false;
  return `${value}/`.startsWith(`${workspace}/`) && !`${value}/`.includes('/.git/');
}

/** `helper::address`. Quotes and backslashes may stand anywhere in a value and mean nothing. */
const namesHelper = (value: string): boolean => /^[^/]*::/.test(value.replace(/["\\\s]/g, ''));

/** A value that ends with a backslash that is not itself escaped: the next line belongs to it. */
const continued = /(?:^|[^\\])(?:\\\\)*\\$/;
/** Where a comment may have begun in the value, a backslash may or may not continue it: nobody writes that honestly. */
const ambiguous = /[#;]/;

/** git-config(1)'s syntax as far as keys matter. undefined: something that is not that syntax. */
function parse(text: string): Entry[] | undefined {
  const entries: Entry[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  let section = '';
  for (let at = 0; at < lines.length; at++) {
    let line = (lines[at] ?? '').replace(/^[ \t]+|[ \t]+$/g, '');
    const header = /^\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\]|\\.)*)")?\]/.exec(line);
    if (header !== null) {
      section = header[0];
      line = line.slice(header[0].length).replace(/^[ \t]+/, '');
    }
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const variable = /^([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(.*))?$/.exec(line);
    if (variable === null || section === '') return undefined;
    let value = variable[2] ?? '';
    while (continued.test(value)) {
      if (ambiguous.test(value)) return undefined;
      value = `${value.slice(0, -1)}${lines[++at] ?? ''}`;
    }
    entries.push({
      section,
      key: `${nameOf(section)}.${(variable[1] ?? '').toLowerCase()}`,
      value: value.trim(),
    });
  }
  return entries;
}

/** `[core "x"]` and the old `[core.x]` both have a subsection, which decides nothing here. */
const nameOf = (header: string): string => (/^\[([A-Za-z0-9-]+)/.exec(header)?.[1] ?? '').toLowerCase();
