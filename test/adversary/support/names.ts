// The world's name server, on 127.0.0.1:53 of the host's side: it writes down every question, over UDP and TCP. What it
// was never asked, the agent could not tell it.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import {
  decode,
  encode,
  streamDecode,
  streamEncode,
  type Answer,
  type Packet,
  RECURSION_AVAILABLE,
} from 'dns-packet';

/** Name → the addresses of its first answer, of its second, …; the last one repeats. */
export type Zone = Readonly<Record<string, readonly (readonly string[])[]>>;

export interface World {
  readonly asked: readonly string[];
  close(): void;
}

function answersFor(
  zone: Zone,
  times: Map<string, number>,
  name: string,
  type: string,
): Answer[] | undefined {
  const turns = zone[name];
  if (turns === undefined) return undefined;
  const turn = times.get(`${name} ${type}`) ?? 0;
  times.set(`${name} ${type}`, turn + 1);
  const addresses = turns[Math.min(turn, turns.length - 1)] ?? [];
  const wanted = addresses.filter((address) => (address.includes(':') ? 'AAAA' : 'A') === type);
  return wanted.map((address): Answer => ({
    type: type === 'AAAA' ? 'AAAA' : 'A',
    name,
    ttl: 0,
    data: address,
  }));
}

export async function serveWorld(zone: Zone): Promise<World> {
  const asked: string[] = [];
  const times = new Map<string, number>();
  const answer = (query: Packet): Packet => {
    for (const question of query.questions ?? []) asked.push(question.name.toLowerCase());
    const question = query.questions?.[0];
    const answers = answersFor(zone, times, question?.name.toLowerCase() ?? '', question?.type ?? '');
    const code = answers === undefined ? 3 : 0; // NXDOMAIN, RFC 1035 4.1.1
    return {
      type: 'response',
      id: query.id ?? 0,
      flags: RECURSION_AVAILABLE | code,
      questions: query.questions ?? [],
      answers: answers ?? [],
    };
  };
  const heard = (message: Buffer, reply: (message: Buffer) => void): void => {
    asked.push(message.toString('latin1').toLowerCase());
    try {
      reply(message);
    } catch (error) {
      asked.push(`not a question: ${String(error)}`); // An attack's bytes: written down above, not answered.
    }
  };
  const udp = createSocket('udp4', (message, from) => {
    heard(message, () => udp.send(encode(answer(decode(message))), from.port, from.address));
  });
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (message) =>
      heard(message, () => socket.end(streamEncode(answer(streamDecode(message))))),
    );
  });
  await new Promise<void>((resolve) => udp.bind(53, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => tcp.listen(53, '127.0.0.1', resolve));
  return {
    asked,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}
