// Events of records that are alike: a program that changes a thousand files makes a thousand records that differ in
// number, time and path only, executions in the process too. What they share is made text once, by `eventText` itself;
// the rest is put between.
import type { SessionRecord } from '../model/mod.ts';
import { isWhole } from './bounds.ts';
import type { EventContext } from './context.ts';
import { eventText } from './event.ts';
import { basename } from './shape.ts';

/** What differs. `own` and `id` are plain (`isPlain`); the time is whole when that of the record that the template was made of is, and else not. */
export type Varying = Pick<SessionRecord, 'id' | 'seq' | 'time'> & {
  /** `ownOf` the record. */
  readonly own: string;
};

/** What else a record has for itself: its object, and of an execution the process before it, which is a new one each time. */
export const ownOf = ({ kind, object, process }: SessionRecord): string =>
  kind === 'exec' && process !== undefined ? `${process.pid} ${object}` : object;

export const varyingOf = (record: SessionRecord): Varying => {
  const { id, seq, time } = record;
  return { id, seq, time, own: ownOf(record) };
};

export interface EventTemplate {
  /**
   * The text between what differs: six pieces for records with a whole time, seven for others. Those of executions are
   * two more, and have `exec` before them.
   */
  readonly pieces: readonly string[];
  readonly text: (varying: Varying) => string;
  /** The text is `first`, what `middle` says, `last`. */
  readonly first: string;
  readonly middle: (varying: Varying) => string;
  readonly last: string;
}

/** ASCII that JSON says as it is. */
export const isPlain = (text: string): boolean => !/[^\x20-\x21\x23-\x5b\x5d-\x7e]/.test(text);

/** Stand where something differs. A record that says one of them by itself gets no template. */
const marks = {
  id: 'cordon-template-5f1c9be2-id',
  seq: 4_503_599_627_370_431,
  time: 4_398_046_511_017,
  object: '/cordon-template-5f1c9be2/name-5f1c9be2',
} as const;
const pid = 4_503_599_627_370_433;
const name = basename(marks.object);
const exactly = 0.25;

type Say = (varying: Varying) => string;

/** What differs, in the order in which the events of a kind say it (RFC 8785). The time comes last; one that is not whole, twice. */
interface Arrangement {
  /** Before its pieces. Files, which had templates first, have none. */
  readonly sign: readonly string[];
  readonly marks: readonly string[];
  /** All from the first that differs to the time. */
  readonly upToTime: (pieces: readonly string[]) => Say;
}

const ofFiles: Arrangement = {
  sign: [],
  marks: [name, marks.object, String(marks.seq), marks.id],
  upToTime:
    ([, b = '', c = '', d = '', e = '']) =>
    ({ id, seq, own }) =>
      `${basename(own)}${b}${own}${c}${seq}${d}${id}${e}`,
};
const ofExecutions: Arrangement = {
  sign: ['exec'],
  marks: [String(pid), String(marks.seq), marks.id, name, marks.object, String(pid)],
  upToTime:
    ([, b = '', c = '', d = '', e = '', f = '', g = '']) =>
    ({ id, seq, own }) => {
      const space = own.indexOf(' ');
      const [process, object] = [own.slice(0, space), own.slice(space + 1)];
      return `${process}${b}${seq}${c}${id}${d}${basename(object)}${e}${object}${f}${process}${g}`;
    },
};
const wholeTime = [String(marks.time)];
const exactTime = [...wholeTime, String(marks.time + exactly)];

/** The text around the marks; undefined when they are not there once each, in order. */
function around(text: string, expected: readonly string[]): readonly string[] | undefined {
  const found =
    /name-5f1c9be2|\/cordon-template-5f1c9be2\/name-5f1c9be2|450359962737043[13]|cordon-template-5f1c9be2-id|4398046511017(?:\.25)?/g;
  const parts: string[] = [];
  let from = 0;
  let next = 0;
  for (const { 0: mark, index } of text.matchAll(found)) {
    if (mark !== expected[next]) return undefined;
    parts.push(text.slice(from, index));
    from = index + mark.length;
    next += 1;
  }
  return next === expected.length ? [...parts, text.slice(from)] : undefined;
}

/** Of whole records about files and executions, whose paths are plain. Undefined: each of these is to be written by itself. */
export function templateOf(record: SessionRecord, context: EventContext): EventTemplate | undefined {
  const { kind, object, id, process } = record;
  if ((kind !== 'file' && kind !== 'exec') || !isWhole(record) || !isPlain(object) || !isPlain(id))
    return undefined;
  const by = kind === 'exec' && process !== undefined ? { process: { ...process, pid } } : {};
  const arrangement = kind === 'file' ? ofFiles : ofExecutions;
  const exact = !Number.isInteger(record.time);
  const marked = { ...record, ...marks, ...by, time: marks.time + (exact ? exactly : 0) };
  const expected = [...arrangement.marks, ...(exact ? exactTime : wholeTime)];
  const parts = around(eventText(marked, context, 'record'), expected);
  if (parts === undefined) return undefined;
  const made = templateOfPieces([...arrangement.sign, ...parts]);
  const same = made?.text(varyingOf(record)) === eventText(record, context, 'record');
  return same ? made : undefined;
}

/** Undefined when they are not what a template has. */
export function templateOfPieces(pieces: readonly string[]): EventTemplate | undefined {
  const { sign, marks: around, upToTime } = pieces[0] === ofExecutions.sign[0] ? ofExecutions : ofFiles;
  const parts = pieces.slice(sign.length);
  const more = parts.length - 1 - around.length;
  if (more !== wholeTime.length && more !== exactTime.length) return undefined;
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  const start = upToTime(parts);
  const middle = more === wholeTime.length ? withWholeTime(start) : withExactTime(start, parts.at(-2) ?? '');
  return { pieces, first, middle, last, text: (varying) => `${first}${middle(varying)}${last}` };
}

const withWholeTime =
  (start: Say): Say =>
  (varying) =>
    `${start(varying)}${varying.time}`;
const withExactTime =
  (start: Say, between: string): Say =>
  (varying) =>
    `${start(varying)}${Math.floor(varying.time)}${between}${varying.time}`;
