// `cordon explain ID`: which rule, which layer, which process, why, and the smallest change that would allow exactly
// this.
import type { SessionRecord } from '../../model/mod.ts';
import type { ExplainAnswer } from '../../wire/mod.ts';
import { parseRecord, programName, ruleText, withoutEnvelopes } from '../record.ts';
import type { Colours } from '../text/colour.ts';
import { columns } from '../text/columns.ts';
import { printable, printableLines } from '../text/printable.ts';
import { clockText } from '../text/time.ts';
import { isSet, type VerbAction } from '../verb.ts';

const verdicts: Readonly<Record<SessionRecord['disposition'], string>> = {
  denied: 'was denied',
  'would-deny': 'was allowed in monitor mode, and would be denied',
  allowed: 'was allowed',
  observed: 'was observed',
};

type Process = NonNullable<SessionRecord['process']>;

const processText = (process: Process): string =>
  printable(
    `${programName(process)} (pid ${process.pid}${process.exe === undefined ? '' : `, ${process.exe}`})`,
  );

/** The actor, then its ancestors. The tree may begin with the actor itself, then it says more of it. */
function lineage({ process, tree = [] }: SessionRecord): readonly Process[] {
  const first = tree[0];
  if (process === undefined || first?.pid === process.pid) return tree;
  return [process, ...tree];
}

/** The actor first, each ancestor one step further in. */
function processTree(record: SessionRecord): string[] {
  const chain = lineage(record);
  if (chain.length === 0)
    return [
      record.layer === 'resolver'
        ? 'not known: a question reaches the resolver without the name of who asks'
        : 'not known',
    ];
  return chain.map(
    (process, depth) => (depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `) + processText(process),
  );
}

const factRows = (record: SessionRecord, answer: ExplainAnswer): (readonly [string, readonly string[]])[] => [
  [
    'when',
    [`${clockText(record.time)}, session ${record.session}, ${record.mode}, generation ${record.generation}`],
  ],
  ['rule', [answer.rule === '' ? ruleText(record.rule) : answer.rule]],
  ['reason', [record.reason]],
  ['layer', [answer.layer === '' ? record.layer : `${record.layer}: ${answer.layer}`]],
  ['process', processTree(record)],
  ...(record.object2 === undefined || record.object2 === record.object
    ? []
    : ([['with', [record.object2]]] as const)),
  ...(record.outcome === undefined ? [] : ([['outcome', [record.outcome]]] as const)),
];

/** Without a change there is a note that says why, or that none could be worked out. */
function changeLines(answer: ExplainAnswer, colours: Colours): string[] {
  if (answer.change === '') {
    const unknown = answer.notes.some((note) => note.startsWith('no change can be worked out'));
    return [colours.bold(unknown ? 'What would allow this is not known.' : 'Nothing local can allow this.')];
  }
  const file = answer.changeFile === '' ? 'a profile of your own' : answer.changeFile;
  return [
    colours.bold(`To allow exactly this, add to ${printable(file)}:`),
    ...printableLines(answer.change).map((line) => `    ${line}`),
  ];
}

export function explainLines(record: SessionRecord, answer: ExplainAnswer, colours: Colours): string[] {
  const rows = factRows(record, answer).flatMap(([name, values]) =>
    values.map((value, index) => [index === 0 ? name : '', value]),
  );
  const verdict =
    record.disposition === 'denied' ? colours.red(verdicts.denied) : verdicts[record.disposition];
  return [
    `${colours.bold(printable(record.id))} ${verdict}: ${printable(`${record.operation} ${record.object}`)}`,
    ...columns([], rows).map((line) => `  ${line}`),
    '',
    ...(record.disposition === 'allowed' || record.disposition === 'observed'
      ? []
      : changeLines(answer, colours)),
    ...answer.notes.map((note) => `Note: ${printable(note)}`),
  ];
}

export const explain: VerbAction = async (context) => {
  const { daemon, operands, json, colours, out } = context;
  const request = { id: operands[0] ?? '', reveal: isSet(context, 'reveal') };
  const answer = await daemon.ask('explain', request, 'explainAnswer');
  const record = parseRecord(answer.record);
  if (json) {
    const { layer, rule, change, notes } = answer;
    out(JSON.stringify({ record, layer, rule, change, changeFile: answer.changeFile, notes }));
  } else out(...explainLines(withoutEnvelopes(record), answer, colours));
  return 0;
};
