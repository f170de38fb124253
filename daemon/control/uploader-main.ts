// Entry of the uploader process. cordond starts it as an unprivileged user with the link as descriptor 3.
// Exits 0 when cordond closes the link, 70 when something is wrong: never goes on half confined.
import { randomBytes } from 'node:crypto';
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { confine, execWithoutRing } from '../egress/mod.ts';
import { newResolver, sleep, startUploader } from '../uploader/mod.ts';

const link = 3;

function fail(why: string): never {
  try {
    writeSync(2, `cordon uploader: ${why}\n`);
  } catch {
    // Nobody reads our errors any more; the exit code says it.
  }
  process.exit(70);
}

function requireLink(): void {
  try {
    if (fstatSync(link).isSocket()) return;
  } catch {
    // Said below.
  }
  fail('descriptor 3 is no socket: only cordond starts this process');
}

/** What opens files when it is first used is used before that is impossible. */
function warmUp(): void {
  randomBytes(1);
  gzipSync('');
  createSecureContext();
}

/** Reading starts when the event loop does: after this module has run, and with it the confinement. */
function main(): void {
  process.on('uncaughtException', (error) => fail(error.stack ?? error.message));
  process.on('unhandledRejection', (reason) => fail(`unhandled rejection: ${String(reason)}`));
  warmUp();
  startUploader({
    socket: new Socket({ fd: link, readable: true, writable: true }),
    time: { now: Date.now, elapsed: () => performance.now(), random: Math.random, sleep },
    resolver: newResolver(),
    fatal: (why, ended) => (ended ? process.exit(0) : fail(why)),
  });
  confine([]);
}

/** Given by this process to itself: see execWithoutRing. */
const withoutRing = '--without-ring';

try {
  requireLink();
  if (process.argv[2] !== withoutRing) execWithoutRing(withoutRing, [link]);
  main();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
