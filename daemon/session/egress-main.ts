// Entry of the egress process. The supervisor starts it as an unprivileged user with these descriptors:
//   3 flows and pins, 4 control (unix streams) · 5 tcp 127.0.0.1, 6 tcp ::1 (listeners) · 7 udp, 8 tcp 127.0.0.1:53
// The listeners belong to the sandbox's network namespace, what is dialed to the namespace this process is in.
// Exits 0 when the supervisor closes a link, 70 when something is wrong: never goes on half confined.
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { fstatSync, writeSync } from 'node:fs';
import { createServer, Socket, type Server } from 'node:net';
import { createDecider, guardedReason } from '../decision/mod.ts';
import { confine, execWithoutRing, startEgress } from '../egress/mod.ts';
import { processes } from '../../native-bindings/linux/mod.ts';
import { allLayers, type Layer } from '../model/mod.ts';

/** What starting took is given back when nobody waits for it any more. */
const startedMs = 5000;

const names = ['flow link', 'control link', 'TCP listener', 'TCP6 listener', 'DNS socket', 'DNS listener'];

function fail(why: string): never {
  try {
    writeSync(2, `cordon egress: ${why}\n`);
  } catch {
    // Nobody reads our errors any more; the exit code says it.
  }
  process.exit(70);
}

function mayLack(args: readonly string[]): readonly Layer[] {
  const given = args.find((arg) => arg.startsWith('--may-lack='))?.slice('--may-lack='.length) ?? '';
  return allLayers.filter((layer) => given.split(',').includes(layer));
}

function requireDescriptors(): void {
  for (const [i, name] of names.entries()) {
    try {
      if (!fstatSync(3 + i).isSocket()) fail(`descriptor ${3 + i} (${name}) is not a socket`);
    } catch {
      fail(`descriptor ${3 + i} (${name}) is missing: only the supervisor starts this process`);
    }
  }
}

function listener(fd: number): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen({ fd });
}

/** Reading starts when the event loop does: after this module has run, and with it the confinement. */
function main(): void {
  process.on('uncaughtException', (error) => fail(error.stack ?? error.message));
  process.on('unhandledRejection', (reason) => fail(`unhandled rejection: ${String(reason)}`));
  randomInt(65536);
  const dnsUdp = createSocket('udp4');
  dnsUdp.bind({ fd: 7 });
  startEgress({
    flows: new Socket({ fd: 3, readable: true, writable: true }),
    control: new Socket({ fd: 4, readable: true, writable: true }),
    tcp4: listener(5),
    tcp6: listener(6),
    dnsUdp,
    dnsTcp: createServer({ pauseOnConnect: true }).listen({ fd: 8 }),
    createDecider,
    guard: guardedReason,
    fatal: (why, ended) => (ended ? process.exit(0) : fail(why)),
  });
  confine(mayLack(process.argv.slice(2)));
  setTimeout(processes.trimMemory, startedMs).unref();
}

/** Given by this process to itself: see execWithoutRing. */
const withoutRing = '--without-ring';

try {
  requireDescriptors();
  if (process.argv[2] !== withoutRing)
    execWithoutRing(
      withoutRing,
      names.map((_, i) => 3 + i),
    );
  main();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
