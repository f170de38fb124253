// A DNS server on 127.0.0.1:53 (UDP) that stands for the world's resolvers: it remembers every question and answers
// from a table. What it never hears, the agent could not tell it.
import { createSocket, type Socket } from 'node:dgram';
import { decode, encode, type Answer, type Packet, RECURSION_AVAILABLE } from 'dns-packet';

export interface NameServer {
  /** Names asked for, lower case, in order. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

function answerTo(query: Packet, table: ReadonlyMap<string, string>): Buffer {
  const question = query.questions?.[0];
  const name = question?.name.toLowerCase() ?? '';
  const address = table.get(name);
  const wanted = address?.includes(':') === true ? 'AAAA' : 'A';
  const answers: Answer[] =
    address !== undefined && question?.type === wanted
      ? [{ type: wanted, name, ttl: 60, data: address }]
      : [];
  const missing = address === undefined ? 3 : 0; // NXDOMAIN, RFC 1035 4.1.1
  return encode({
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    flags: RECURSION_AVAILABLE | missing,
    ...(query.questions === undefined ? {} : { questions: query.questions }),
    answers,
  });
}

export async function serveNames(table: Readonly<Record<string, string>> = {}): Promise<NameServer> {
  const asked: string[] = [];
  const known = new Map(Object.entries(table));
  const socket: Socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = decode(message);
    for (const question of query.questions ?? []) asked.push(question.name.toLowerCase());
    socket.send(answerTo(query, known), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(53, '127.0.0.1', resolve);
  });
  return {
    asked,
    close: () =>
      new Promise((resolve) => {
        socket.close(resolve);
      }),
  };
}
