// createDecider: tries built once from a capability set, then asked for every action. A decider is not re-entrant and
// belongs to one thread; every thread builds its own from the same set.
import type {
  BytePath,
  CapabilitySet,
  Decider,
  FileAccess,
  FileRule,
  Obligation,
  Verdict,
} from '../model/mod.ts';
import { defaultDeny, judgementOf, severityOf } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import { NetworkDecider } from './network.ts';
import { PathTrie } from './path-trie.ts';
import type { PathRule } from './path-trie.ts';

const slotOf: Readonly<Record<FileAccess, number>> = { read: 0, write: 1, exec: 2 };
const only = [0];

function precedence(set: CapabilitySet, rule: FileRule): PathRule['precedence'] {
  if (set.rules[rule.rule]?.never === true) return 'never';
  return rule.protective === true ? 'protective' : 'ordinary';
}

/** Judgements by rule, effect, access and label: patterns of one entry share one. */
type Known = Map<string, Judgement>;

function judged(set: CapabilitySet, known: Known, rule: FileRule, access: FileAccess): Judgement {
  const key = `${rule.rule} ${rule.effect} ${access} ${rule.label ?? ''}`;
  let judgement = known.get(key);
  if (!judgement) {
    judgement = judgementOf(set, rule.rule, rule.effect, access, labelOf(rule));
    known.set(key, judgement);
  }
  return judgement;
}

const labelOf = ({ label }: FileRule): readonly Obligation[] =>
  label === undefined ? [] : [{ kind: 'label', label }];

function fileRule(set: CapabilitySet, known: Known, rule: FileRule): PathRule {
  return {
    base: rule.base,
    glob: rule.glob,
    slots: rule.access.map((access) => slotOf[access]),
    precedence: precedence(set, rule),
    judgements: rule.access.map((access) => judged(set, known, rule, access)),
  };
}

function singleSlot(
  set: CapabilitySet,
  rule: Pick<FileRule, 'rule' | 'effect' | 'base' | 'glob'>,
  what: string,
): PathRule {
  const never = set.rules[rule.rule]?.never === true;
  return {
    base: rule.base,
    glob: rule.glob,
    slots: only,
    precedence: never ? 'never' : 'ordinary',
    judgements: [judgementOf(set, rule.rule, rule.effect, what)],
  };
}

/** Both must allow: the stricter; of equally strict ones a `never`, else the exec list's unless it only allows. */
function both(file: Judgement, list: Judgement): Verdict {
  if (file.severity > list.severity || list.severity === severityOf('allow')) return file.verdict;
  if (file.verdict.rule.never) return file.verdict;
  const { obligations } = file.verdict;
  return obligations.length === 0 || list.severity === severityOf('deny')
    ? list.verdict
    : { ...list.verdict, obligations };
}

export function createDecider(set: CapabilitySet): Decider {
  const known: Known = new Map();
  const files = new PathTrie(
    3,
    set.files.map((rule) => fileRule(set, known, rule)),
  );
  const images = new PathTrie(
    1,
    set.exec.map((rule) => singleSlot(set, rule, 'exec')),
  );
  const sockets = new PathTrie(
    1,
    set.sockets.map((rule) => singleSlot(set, rule, 'connecting to this socket')),
  );
  const network = new NetworkDecider(set);
  const none = (['read', 'write', 'exec'] as const).map((access) => defaultDeny(set, `${access} here`));
  const noImage = defaultDeny(set, 'running this program');
  const noSocket = defaultDeny(set, 'connecting to this socket');
  const anyImage = set.exec.length === 0;

  const file = (path: BytePath, slot: number, unprotected?: boolean): Judgement =>
    files.judge(path, slot, unprotected) ?? none[slot]!;
  const exec = (path: BytePath): Verdict => {
    const byFile = file(path, slotOf.exec);
    return anyImage ? byFile.verdict : both(byFile, images.judge(path, 0) ?? noImage);
  };
  const below = (directory: BytePath, access: 'read' | 'exec') => {
    const views = [files.children(directory, slotOf[access])];
    if (access === 'exec' && !anyImage) views.push(images.children(directory, 0));
    return views;
  };

  return {
    capabilitySet: set,
    file: (query) => file(query.path, slotOf[query.access], query.unprotected).verdict,
    exec,
    network: (query) => network.judge(query),
    socket: (query) => (sockets.judge(query.path, 0) ?? noSocket).verdict,
    uniformBelow: (directory, access) =>
      below(directory, access).every(
        ({ judgement, exceptions }) =>
          judgement?.severity === severityOf('allow') &&
          judgement.verdict.obligations.length === 0 &&
          exceptions.length === 0,
      ),
    exceptionsIn: (directory, access) => below(directory, access).flatMap(({ exceptions }) => exceptions),
  };
}
