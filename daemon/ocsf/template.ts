// Events of records that are alike: a program that changes a thousand files makes a thousand records that differ in
// number, time and path only. What they share is made text once, by `eventText` itself; the rest is put between.
import type { SessionRecord } from '../model/mod.ts';
import { isWhole } from './bounds.ts';
import type { EventContext } from './context.ts';
import { eventText } from './event.ts';
import { basename } from './shape.ts';

/** What differs. `object` and `id` are plain (`isPlain`); the time is whole when that of the record that the template was made of is, and else not. */
export type Varying = Pick<SessionRecord, 'id' | 'seq' | 'time' | 'object'>;

export interface EventTemplate {
  /** The text between what differs: six pieces for records with a whole time, seven for others. */
  readonly pieces: readonly string[];
  readonly text: (varying: Varying) => string;
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
const name = basename(marks.object);
const exactly = 0.25;
/** How often each stands in the event of a file, in the order of RFC 8785. */
const order: readonly string[] = [name, marks.object, String(marks.seq), marks.id, String(marks.time)];
const orderOfExact = [...order, String(marks.time + exactly)];

/** The text around the marks; undefined when they are not there once each, in order. */
function around(text: string, expected: readonly string[]): readonly string[] | undefined {
  const found =
    /name-5f1c9be2|\/cordon-template-5f1c9be2\/name-5f1c9be2|4503599627370431|cordon-template-5f1c9be2-id|4398046511017(?:\.25)?/g;
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

/** Of whole records about files, whose paths are plain. Undefined: each of these is to be written by itself. */
export function templateOf(record: SessionRecord, context: EventContext): EventTemplate | undefined {
  if (record.kind !== 'file' || !isWhole(record) || !isPlain(record.object) || !isPlain(record.id))
    return undefined;
  const exact = !Number.isInteger(record.time);
  const time = marks.time + (exact ? exactly : 0);
  const marked = { ...record, ...marks, time };
  const parts = around(eventText(marked, context, 'record'), exact ? orderOfExact : order);
  if (parts === undefined) return undefined;
  const made = templateOfPieces(parts);
  const same = made?.text(record) === eventText(record, context, 'record');
  return same ? made : undefined;
}

/** Undefined when they are not as many as a template has. */
export function templateOfPieces(pieces: readonly string[]): EventTemplate | undefined {
  if (pieces.length === order.length + 1) return { pieces, text: withWholeTime(pieces) };
  return pieces.length === orderOfExact.length + 1 ? { pieces, text: withExactTime(pieces) } : undefined;
}

function withWholeTime(parts: readonly string[]): EventTemplate['text'] {
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = parts;
  return ({ id, seq, time, object }) =>
    `${a}${basename(object)}${b}${object}${c}${seq}${d}${id}${e}${time}${f}`;
}

function withExactTime(parts: readonly string[]): EventTemplate['text'] {
  const [a = '', b = '', c = '', d = '', e = '', f = '', g = ''] = parts;
  return ({ id, seq, time, object }) =>
    `${a}${basename(object)}${b}${object}${c}${seq}${d}${id}${e}${Math.floor(time)}${f}${time}${g}`;
}
