// Records of connections, look-ups and requests as OCSF Network Activity.
import { isIP } from 'node:net';
import type { SessionRecord } from '../model/mod.ts';
import { classes, other } from './classes.ts';
import { before, object, quoted } from './shape.ts';
import type { Shape } from './shape.ts';

/** Open, Close, Traffic, Listen. */
const activities: ReadonlyMap<string, number> = new Map([
  ['connect', 1],
  ['close', 2],
  ['send', 6],
  ['bind', 7],
]);

export interface Authority {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[address]:port`, with `udp ` before it for datagrams. Undefined for anything else. */
export function authorityOf(text: string): Authority | undefined {
  const [, bracketed, plain, digits] =
    /^(?:udp )?(?:\[([0-9a-fA-F:.%]{2,60})\]|([^\s:/[\]]{1,253})):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Zone identifiers (`fe80::1%eth0`) are no part of an address on record. */
const addressOf = (text: string | undefined): string | undefined =>
  text !== undefined && text.length <= 45 && isIP(text) !== 0 && !text.includes('%') ? text : undefined;

function endpoint(record: SessionRecord, authority: Authority | undefined): string {
  const ip = addressOf(record.object2) ?? addressOf(authority?.host);
  const named = authority !== undefined && addressOf(authority.host) === undefined;
  const members =
    before('hostname', named ? quoted(authority.host) : undefined) +
    before('ip', ip === undefined || ip.length > 40 ? undefined : quoted(ip)) +
    before('port', authority && String(authority.port));
  return authority === undefined ? object(members + before('name', quoted(record.object))) : object(members);
}

function connectionOf({ kind, object: to, detail }: SessionRecord): string {
  const flow = typeof detail?.['flow'] === 'string' ? `,"uid":${quoted(detail['flow'])}` : '';
  if (kind === 'socket') return `{"direction_id":4,"protocol_name":"unix"${flow}}`;
  return to.startsWith('udp ')
    ? `{"direction_id":2,"protocol_name":"udp","protocol_num":17${flow}}`
    : `{"direction_id":2,"protocol_name":"tcp","protocol_num":6${flow}}`;
}

function trafficOf({ detail }: SessionRecord): string | undefined {
  const up = detail?.['up'];
  const down = detail?.['down'];
  if (!Number.isSafeInteger(up) || !Number.isSafeInteger(down)) return undefined;
  return `{"bytes":${Number(up) + Number(down)},"bytes_in":${String(down)},"bytes_out":${String(up)}}`;
}

const none = {};

export function connectShape(record: SessionRecord): Shape {
  const traffic = trafficOf(record);
  return {
    class: classes.networkActivity,
    activity: activities.get(record.operation) ?? other,
    attributes: {
      connection_info: connectionOf(record),
      dst_endpoint: endpoint(record, authorityOf(record.object)),
      ...(traffic === undefined ? none : { traffic }),
    },
    holds: none,
  };
}

/** The resolver is the session's own, at 127.0.0.1:53. */
export function nameShape({ object: hostname, detail }: SessionRecord): Shape {
  const type = detail?.['type'];
  return {
    class: classes.dnsActivity,
    activity: 1,
    attributes: {
      dst_endpoint: '{"ip":"127.0.0.1","port":53}',
      query: object(
        before('hostname', quoted(hostname)) +
          before('type', typeof type === 'string' ? quoted(type) : undefined),
      ),
    },
    holds: holdsName,
  };
}

const holdsName = { object: true };

/** `activity_id` of HTTP Activity; these are also the methods that OCSF has names for. */
const methods: ReadonlyMap<string, number> = new Map([
  ['CONNECT', 1],
  ['DELETE', 2],
  ['GET', 3],
  ['HEAD', 4],
  ['OPTIONS', 5],
  ['POST', 6],
  ['PUT', 7],
  ['TRACE', 8],
  ['PATCH', 9],
]);

/** The object is `METHOD http://host:port/path` (or https), or host:port when the head could not be read. */
export function httpShape(record: SessionRecord): Shape {
  const [, method = '', scheme = 'http', rest, path = ''] =
    /^(\S{1,32}) (https?):\/\/([^/\s]+)(.*)$/s.exec(record.object) ?? [];
  const authority = authorityOf(rest ?? record.object);
  const url = object(
    before('hostname', authority && quoted(authority.host)) +
      before('path', quoted(path || '/')) +
      before('port', authority && String(authority.port)) +
      before('scheme', quoted(scheme)),
  );
  return {
    class: classes.httpActivity,
    activity: methods.get(method) ?? other,
    ...(methods.has(method) ? none : { activityName: method || 'unreadable' }),
    attributes: {
      connection_info: connectionOf(record),
      dst_endpoint: endpoint(record, authority),
      http_request: object(
        before('http_method', methods.has(method) ? quoted(method) : undefined) + before('url', url),
      ),
    },
    holds: none,
  };
}
