// What the supervisor says on the two links, validated. A message that does not fit throws LinkError, and the process
// ends: the supervisor is trusted to be well-formed, so a malformed line is a broken supervisor or somebody else.
import { isIP } from 'node:net';
import type {
  CapabilitySet,
  Effect,
  Mode,
  NetworkRule,
  RuleInfo,
  TokenDemand,
  TokenScheme,
  Upstream,
} from '../model/mod.ts';
import { canonical, isHostName } from './address.ts';
import type { Authorities } from './trust.ts';

export class LinkError extends Error {}

export interface Flow {
  readonly family: 4 | 6;
  /** Local port of the agent's socket: the remote port that the listener sees. */
  readonly port: number;
  /** Canonical. Where the agent wanted to go. */
  readonly address: string;
  readonly destinationPort: number;
  readonly pid: number;
  readonly exe: string;
  /** Record of the connect, made by the thread that judged the system call. */
  readonly id: string;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Pin {
  readonly host: string;
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

export interface Start {
  readonly capabilitySet: CapabilitySet;
  readonly upstream: readonly Endpoint[];
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  readonly session: string;
  /** Pins of an egress process that died, given back by the supervisor. */
  readonly pins: readonly Pin[];
  /** Of grants that are carried on over TLS. */
  readonly authorities: Authorities;
  /** Canonical addresses of the machine itself: no name may lead to them unasked, though they be public. */
  readonly own: ReadonlySet<string>;
}

export interface Ack {
  readonly n: number;
  /** Id that the journal gave the record, when the supervisor tells it. */
  readonly id: string | undefined;
  /** False when the journal refused the record. */
  readonly ok: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new LinkError(`${what} is not an object`);
  return value as Fields;
}

export function text(from: Fields, key: string, max: number): string {
  const value = from[key];
  if (typeof value !== 'string' || value.length > max)
    throw new LinkError(`${key} is not a text of at most ${max} characters`);
  return value;
}

function integer(from: Fields, key: string, min: number, max: number): number {
  const value = from[key];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new LinkError(`${key} is not a whole number from ${min} to ${max}`);
  return value;
}

function list(from: Fields, key: string, max: number): readonly unknown[] {
  const value = from[key];
  if (!Array.isArray(value) || value.length > max)
    throw new LinkError(`${key} is not a list of at most ${max} entries`);
  return value;
}

function oneOf<T extends string>(from: Fields, key: string, allowed: readonly T[]): T {
  const value = from[key];
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new LinkError(`${key} is none of ${allowed.join(', ')}`);
  return found;
}

function address(value: unknown): string {
  const found = typeof value === 'string' ? canonical(value) : undefined;
  if (found === undefined) throw new LinkError(`not an address: ${JSON.stringify(value)}`);
  return found;
}

export function parseFlow(value: unknown): Flow {
  const from = fields(value, 'flow');
  oneOf(from, 't', ['flow']);
  return {
    family: integer(from, 'v', 4, 6) === 4 ? 4 : 6,
    port: integer(from, 'port', 1, 65535),
    address: address(from['addr']),
    destinationPort: integer(from, 'dport', 1, 65535),
    pid: integer(from, 'pid', 0, 2 ** 31),
    exe: text(from, 'exe', 4096),
    id: text(from, 'id', 256),
  };
}

const maxRules = 1_000_000;
const effects: readonly Effect[] = ['allow', 'deny', 'ask'];
const modes: readonly Mode[] = ['enforce', 'monitor', 'dry-run'];

function ruleInfo(value: unknown): RuleInfo {
  const from = fields(value, 'rule');
  const source = fields(from['source'], 'rule source');
  const because = from['because'];
  return {
    id: text(from, 'id', 1024),
    source: {
      file: text(source, 'file', 4096),
      line: integer(source, 'line', 0, 2 ** 31),
      key: text(source, 'key', 1024),
    },
    ...(typeof because === 'string' ? { because } : {}),
    never: from['never'] === true,
  };
}

const schemes: readonly TokenScheme[] = ['dpop', 'bearer', 'upload'];

function demand(value: unknown): TokenDemand {
  const from = fields(value, 'token demand');
  return { audience: text(from, 'audience', 512), type: oneOf(from, 'type', schemes) };
}

function upstream(value: unknown): Upstream {
  const from = fields(value, 'upstream');
  if (oneOf(from, 'protocol', ['plain', 'tls']) === 'plain') return { protocol: 'plain' };
  const ca = from['ca'] === undefined ? {} : { ca: text(from, 'ca', 4096) };
  return { protocol: 'tls', port: integer(from, 'port', 1, 65535), ...ca };
}

const maxAuthorities = 64;
/** Characters of PEM. */
const maxPem = 4 * 1024 * 1024;

function parseAuthorities(value: unknown): Authorities {
  const entries = Object.entries(fields(value ?? {}, 'authorities'));
  if (entries.length > maxAuthorities)
    throw new LinkError(`authorities has more than ${maxAuthorities} entries`);
  return new Map(
    entries.map(([file, pem]) => {
      if (typeof pem !== 'string' || pem.length > maxPem) throw new LinkError('authorities: not a text');
      return [file, pem];
    }),
  );
}

/** Only the network part is kept: the other tables are not this process's business, and cost memory. */
export function parseCapabilitySet(value: unknown): CapabilitySet {
  const from = fields(value, 'capabilitySet');
  const profile = fields(from['profile'], 'profile');
  const rules = list(from, 'rules', maxRules).map(ruleInfo);
  if (rules.length === 0) throw new LinkError('rules is empty: index 0 must be the default denial');
  const network = list(from, 'network', maxRules).map((entry): NetworkRule => {
    const rule = fields(entry, 'network rule');
    return {
      rule: integer(rule, 'rule', 0, rules.length - 1),
      effect: oneOf(rule, 'effect', effects),
      host: text(rule, 'host', 512),
      port: integer(rule, 'port', 0, 65535),
      ...(rule['token'] === undefined ? {} : { token: demand(rule['token']) }),
      ...(rule['upstream'] === undefined ? {} : { upstream: upstream(rule['upstream']) }),
    };
  });
  return {
    generation: integer(from, 'generation', 0, Number.MAX_SAFE_INTEGER),
    mode: oneOf(from, 'mode', modes),
    policyDigest: text(from, 'policyDigest', 256),
    profile: { name: text(profile, 'name', 256), version: integer(profile, 'version', 0, 2 ** 31) },
    rules,
    files: [],
    exec: [],
    network,
    sockets: [],
  };
}

export function parseEndpoint(value: unknown): Endpoint {
  const match = typeof value === 'string' ? /^\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/.exec(value) : null;
  const port = Number(match?.[2]);
  if (match === null || isIP(match[1]!) === 0 || port < 1 || port > 65535)
    throw new LinkError(`not address:port: ${JSON.stringify(value)}`);
  return { address: match[1]!, port };
}

function parsePin(value: unknown): Pin {
  const from = fields(value, 'pin');
  return {
    host: text(from, 'host', 253),
    addresses: list(from, 'addrs', 64).map(address),
    ttl: integer(from, 'ttl', 0, 86400),
  };
}

function parseHosts(value: unknown): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, readonly string[]>();
  for (const [name, addresses] of Object.entries(fields(value ?? {}, 'hosts'))) {
    if (!Array.isArray(addresses) || addresses.length > 64)
      throw new LinkError(`hosts entry ${name} is not a list`);
    const key = name.toLowerCase().replace(/\.$/, '');
    if (isHostName(key)) hosts.set(key, addresses.map(address));
  }
  return hosts;
}

export function parseStart(value: unknown): Start {
  const from = fields(value, 'start');
  oneOf(from, 't', ['start']);
  return {
    capabilitySet: parseCapabilitySet(from['capabilitySet']),
    upstream: list(from, 'upstream', 16).map(parseEndpoint),
    hosts: parseHosts(from['hosts']),
    session: text(from, 'session', 256),
    pins: from['pins'] === undefined ? [] : list(from, 'pins', 4096).map(parsePin),
    authorities: parseAuthorities(from['authorities']),
    own: new Set(from['own'] === undefined ? [] : list(from, 'own', 65_536).map(parseOwn)),
  };
}

function parseOwn(value: unknown): string {
  const address = typeof value === 'string' ? canonical(value) : undefined;
  if (address === undefined) throw new Error('start: own is not a list of addresses');
  return address;
}

export type ControlMessage =
  | { readonly kind: 'ack'; readonly ack: Ack }
  | {
      readonly kind: 'policy';
      readonly capabilitySet: CapabilitySet;
      readonly authorities: Authorities;
    }
  | { readonly kind: 'token'; readonly answer: TokenAnswer };

/** What the daemon says to a wish for a token, or to one that was shown. */
export interface TokenAnswer {
  readonly n: number;
  /** Undefined: it was granted. */
  readonly refused: string | undefined;
  readonly jti: string;
  readonly token: string;
  /** Of an upload, hex. */
  readonly sha256: string;
  /** Bytes of an upload; -1: any. */
  readonly size: number;
}

const optional = (from: Fields, key: string, max: number): string =>
  from[key] === undefined ? '' : text(from, key, max);

function tokenAnswer(from: Fields): TokenAnswer {
  return {
    n: integer(from, 'n', 1, Number.MAX_SAFE_INTEGER),
    refused: from['refused'] === undefined ? undefined : text(from, 'refused', 2048),
    jti: optional(from, 'jti', 64),
    token: optional(from, 'token', 16 * 1024),
    sha256: optional(from, 'sha256', 64),
    size: from['size'] === undefined ? -1 : integer(from, 'size', -1, Number.MAX_SAFE_INTEGER),
  };
}

export function parseControl(value: unknown): ControlMessage {
  const from = fields(value, 'control message');
  const kind = oneOf(from, 't', ['ack', 'nack', 'policy', 'token']);
  if (kind === 'token') return { kind, answer: tokenAnswer(from) };
  if (kind === 'policy')
    return {
      kind,
      capabilitySet: parseCapabilitySet(from['capabilitySet']),
      authorities: parseAuthorities(from['authorities']),
    };
  const id = from['id'];
  return {
    kind: 'ack',
    ack: {
      n: integer(from, 'n', 1, Number.MAX_SAFE_INTEGER),
      id: typeof id === 'string' && id.length <= 256 ? id : undefined,
      ok: kind === 'ack',
    },
  };
}
