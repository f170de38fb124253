// Asks the host's resolvers: one UDP socket a question, so that id and source port are both random (RFC 5452), TCP when the
// answer was truncated, the next resolver when one does not answer.
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import type { Endpoint } from '../messages.ts';
import { decodeAnswer, encodeQuestion, type Upstream } from './reply.ts';

/** Milliseconds for one resolver. Two rounds over two resolvers stay below the 5 s after which glibc gives up. */
const deadline = 1200;
const rounds = 2;
const maxTcpAnswer = 16 * 1024;

export type Answer = Extract<Upstream, { kind: 'answer' }>;
export type AskUpstream = (name: string, type: 'A' | 'AAAA') => Promise<Answer | undefined>;

/** Resolves with undefined when no resolver gave a usable answer. */
export function upstreamOf(servers: readonly Endpoint[]): AskUpstream {
  return async (name, type) => {
    for (let round = 0; round < rounds; round++) {
      for (const server of servers.slice(0, 3)) {
        const answer = await ask(server, name, type);
        if (answer !== undefined && answer.rcode !== 2) return answer;
      }
    }
    return undefined;
  };
}

async function ask(server: Endpoint, name: string, type: 'A' | 'AAAA'): Promise<Answer | undefined> {
  const udp = await overUdp(server, name, type);
  const answer = udp?.kind === 'truncated' ? await overTcp(server, name, type) : udp;
  return answer?.kind === 'answer' ? answer : undefined;
}

function overUdp(server: Endpoint, name: string, type: 'A' | 'AAAA'): Promise<Upstream | undefined> {
  const id = randomInt(65536);
  const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const finish = (result: Upstream | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => finish(undefined), deadline);
    socket.on('error', () => finish(undefined));
    // A connected socket: the kernel drops datagrams from anybody else. Wrong ones from there do not end the wait.
    socket.on('message', (bytes) => {
      const answer = decodeAnswer(bytes, id, name, type);
      if (answer.kind !== 'unusable') finish(answer);
    });
    socket.connect(server.port, server.address, () => {
      socket.send(encodeQuestion(id, name, type), (error) => {
        if (error) finish(undefined);
      });
    });
  });
}

function overTcp(server: Endpoint, name: string, type: 'A' | 'AAAA'): Promise<Upstream | undefined> {
  const id = randomInt(65536);
  const socket = connect({ host: server.address, port: server.port });
  return new Promise((resolve) => {
    let held = Buffer.alloc(0);
    const finish = (result: Upstream | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish(undefined), deadline);
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.on('connect', () => void socket.write(framed(encodeQuestion(id, name, type))));
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      const length = held.length >= 2 ? held.readUInt16BE(0) : 0;
      if (held.length > maxTcpAnswer || length > maxTcpAnswer) finish(undefined);
      else if (held.length >= 2 && held.length >= 2 + length)
        finish(decodeAnswer(held.subarray(2, 2 + length), id, name, type));
    });
  });
}

/** DNS over TCP: two bytes of length before the message (RFC 7766). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
