// One question of the sandbox: recorded, decided, asked upstream, guarded, pinned, answered; in this order. A denied name
// is never sent to anybody: a lookup is a message to whoever owns the name.
import { canonical, familyOf, isHostName } from '../address.ts';
import { protocolRule, recordOf, type Judge, type Judgement } from '../judge.ts';
import { clampTtl, type Pins } from '../pins.ts';
import type { Recorder } from '../recorder.ts';
import { type Query, typeA, typeAaaa, typeHttps, typeName, typeSvcb } from './query.ts';
import { ede, rcode, type Reply } from './reply.ts';
import type { AskUpstream } from './upstream.ts';

export interface ResolverParts {
  readonly judge: () => Judge;
  readonly pins: Pins;
  readonly recorder: Recorder;
  readonly ask: AskUpstream;
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** Tells the thread that judges connects; resolves when the kernel has taken the line. */
  readonly announce: (host: string, addresses: readonly string[], ttl: number) => Promise<void>;
}

const answered: readonly number[] = [typeA, typeAaaa, typeHttps, typeSvcb];
/** Seconds an entry of `hosts` is pinned for. */
const hostsTtl = 60;

/** RFC 6761 section 6.3, and the host name inside (launch-thread.ts): the sandbox itself, so nobody is asked or told. */
const isOwnName = (name: string): boolean =>
  name === 'localhost' || name.endsWith('.localhost') || name === 'cordon';

export async function resolve(parts: ResolverParts, query: Query): Promise<Reply> {
  if (isOwnName(query.name)) return ownAddress(query.type);
  const judge = parts.judge();
  const judged = judgeQuestion(judge, query);
  const id = await recordLookup(parts.recorder, query, judged);
  if (!judged.pass)
    return blocked(judged, id, answered.includes(query.type) ? rcode.nxDomain : rcode.refused);
  if (query.type !== typeA && query.type !== typeAaaa) return { rcode: rcode.noError };
  const found = await addressesOf(parts, query);
  if (found === undefined)
    return {
      rcode: rcode.servFail,
      error: { code: ede.networkError, text: 'no resolver of the host answered' },
    };
  if (parts.judge() !== judge && !parts.judge().lookup(query.name).pass) return { rcode: rcode.refused };
  return handOut(parts, query, found);
}

function ownAddress(type: number): Reply {
  const addresses = type === typeA ? ['127.0.0.1'] : type === typeAaaa ? ['::1'] : [];
  return { rcode: rcode.noError, addresses, ttl: hostsTtl };
}

function judgeQuestion(judge: Judge, query: Query): Judgement {
  // Refused in monitor mode too: there is nobody here who could carry such an answer.
  const never = (reason: string): Judgement => ({
    ...judge.refuse(protocolRule, reason),
    pass: false,
    disposition: 'denied',
  });
  if (!answered.includes(query.type))
    return never(`only addresses can be looked up from a session, not ${typeName(query.type)} records`);
  if (!isHostName(query.name)) return never('not a host name');
  return judge.lookup(query.name);
}

function recordLookup(recorder: Recorder, query: Query, judged: Judgement): Promise<string | undefined> {
  return recorder.record({
    ...recordOf(judged, 'name', 'lookup', 'resolver'),
    object: query.name === '' ? '.' : query.name.slice(0, 1024),
    detail: { type: typeName(query.type) },
  });
}

function blocked(judged: Judgement, id: string | undefined, code: number): Reply {
  const how = id === undefined ? '' : ` (cordon explain ${id})`;
  return {
    rcode: code,
    error: { code: ede.blocked, text: `blocked by Cordon: ${judged.reason.slice(0, 120)}${how}` },
  };
}

interface Found {
  readonly rcode: number;
  readonly addresses: readonly string[];
  readonly ttl: number;
}

async function addressesOf(parts: ResolverParts, query: Query): Promise<Found | undefined> {
  const local = parts.hosts.get(query.name);
  const type = query.type === typeA ? 'A' : 'AAAA';
  if (local === undefined) return parts.ask(query.name, type);
  const addresses = local.filter((address) => address.includes(':') === (type === 'AAAA'));
  return { rcode: rcode.noError, addresses, ttl: hostsTtl };
}

/** Drops guarded addresses, pins the others, and only then lets the answer go. */
async function handOut(parts: ResolverParts, query: Query, found: Found): Promise<Reply> {
  const judge = parts.judge();
  const kept: string[] = [];
  const dropped: { readonly judged: Judgement; readonly address: string }[] = [];
  for (const text of found.addresses) {
    const address = canonical(text) ?? text;
    const judged = judge.answer(query.name, address);
    // A v4-mapped address in an AAAA answer has become a v4 address: it has no business there.
    if (judged.pass && familyOf(address) === (query.type === typeA ? 4 : 6)) kept.push(address);
    else if (judged.pass)
      dropped.push({
        judged: judge.refuse(protocolRule, `${text} in an answer of the other family`),
        address,
      });
    else dropped.push({ judged, address });
  }
  const ids = await Promise.all(dropped.map((each) => recordDropped(parts.recorder, query, each)));
  if (kept.length === 0) {
    if (dropped.length === 0)
      return { rcode: found.rcode === rcode.nxDomain ? rcode.nxDomain : rcode.noError };
    return blocked(dropped[0]!.judged, ids[0], rcode.noError);
  }
  const ttl = clampTtl(found.ttl);
  parts.pins.add(query.name, kept, ttl);
  await parts.announce(query.name, kept, ttl);
  return { rcode: rcode.noError, addresses: kept, ttl };
}

function recordDropped(
  recorder: Recorder,
  query: Query,
  { judged, address }: { readonly judged: Judgement; readonly address: string },
): Promise<string | undefined> {
  return recorder.record({
    ...recordOf(judged, 'name', 'answer', 'resolver'),
    object: query.name,
    object2: address,
    detail: { type: typeName(query.type) },
  });
}
