// The responder's two sockets, and their bounds. Flooding costs answers, never memory.
import type { RemoteInfo, Socket as Datagrams } from 'node:dgram';
import type { Socket } from 'node:net';
import { limitRule, protocolRule, recordOf, type Judge } from '../judge.ts';
import type { Recorder } from '../recorder.ts';
import { maxQuery, parseQuery, type Query } from './query.ts';
import { bareReply, encodeReply, rcode, type Reply } from './reply.ts';
import { framed } from './upstream.ts';

/** Questions being answered. More are dropped: the client asks again. */
const maxInFlight = 256;
const maxTcp = 64;
/** Milliseconds a TCP client may take for its next question. */
const tcpDeadline = 10_000;
/** Milliseconds between records of one kind of trouble; what came between is counted. */
const recordEvery = 1000;

export interface DnsParts {
  readonly resolve: (query: Query) => Promise<Reply>;
  readonly recorder: Recorder;
  readonly judge: () => Judge;
}

export class DnsServer {
  private inFlight = 0;
  private conversations = 0;
  private readonly parts: DnsParts;
  private readonly trouble = new Map<string, { last: number; count: number }>();
  constructor(parts: DnsParts) {
    this.parts = parts;
  }

  datagram(socket: Datagrams, bytes: Buffer, from: RemoteInfo): void {
    void this.answer(bytes, undefined).then((reply) => {
      if (reply !== undefined) socket.send(reply, from.port, from.address, () => undefined);
    });
  }

  /** One question after the other; the client waits its turn. */
  converse(socket: Socket): void {
    if (this.conversations >= maxTcp) {
      this.report('limit', 'too many DNS connections');
      socket.destroy();
      return;
    }
    this.conversations += 1;
    socket.once('close', () => (this.conversations -= 1));
    let held = Buffer.alloc(0);
    socket.setTimeout(tcpDeadline, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (held.length < 2) return;
      const length = held.readUInt16BE(0);
      if (length > maxQuery || held.length > 64 * 1024) {
        this.report('protocol', 'a DNS message longer than a question can be');
        socket.destroy();
        return;
      }
      if (held.length < 2 + length) return;
      const message = held.subarray(2, 2 + length);
      const rest = held.subarray(2 + length);
      held = Buffer.alloc(0);
      socket.pause();
      void this.answer(message, 65535).then((reply) => {
        if (reply === undefined) socket.destroy();
        else socket.write(framed(reply));
        if (rest.length > 0) socket.unshift(rest);
        socket.resume();
      });
    });
    socket.resume();
  }

  /** The bytes to send back; undefined for none. `limit` undefined: what the query says (UDP). Never rejects. */
  private async answer(bytes: Buffer, limit: number | undefined): Promise<Buffer | undefined> {
    if (this.inFlight >= maxInFlight) {
      this.report('limit', 'too many lookups at once');
      return undefined;
    }
    const parsed = parseQuery(bytes);
    if (!parsed.ok) {
      this.report('protocol', `not a DNS query: ${parsed.reason}`);
      return parsed.id === undefined ? undefined : bareReply(parsed.id, rcode.formErr);
    }
    const { query } = parsed;
    this.inFlight += 1;
    // A record that could not be made, or a fault of ours: no answer is given out.
    const reply = await this.parts.resolve(query).catch((): Reply => ({ rcode: rcode.servFail }));
    this.inFlight -= 1;
    return encodeReply(query, reply, limit ?? query.udpSize ?? 512);
  }

  private report(kind: 'limit' | 'protocol', reason: string): void {
    const seen = this.trouble.get(kind) ?? { last: -Infinity, count: 0 };
    this.trouble.set(kind, seen);
    seen.count += 1;
    const now = performance.now();
    if (now - seen.last < recordEvery) return;
    const judged = this.parts.judge().refuse(kind === 'limit' ? limitRule : protocolRule, reason);
    this.parts.recorder.note({
      ...recordOf({ ...judged, disposition: 'denied' }, 'name', 'lookup', 'resolver'),
      object: 'dns',
      count: seen.count,
    });
    seen.last = now;
    seen.count = 0;
  }
}
