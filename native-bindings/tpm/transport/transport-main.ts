// The transport's own process: opens the TPM, gives up root, and carries commands, blocking, until its input ends. It
// may hang in a library or a driver: the parent then kills it, and nothing else hangs.
import { readSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { ANSWER, deframer, frame } from './frames.ts';
import { openTbs } from './tbs.ts';
import { openTcti } from './tcti.ts';
import { isSoftwareName, maxMessage, TpmTransportError } from './transport.ts';
import type { BlockingTransport } from './transport.ts';

const nobody = 65534;

/**
 * What has the device open needs no other right; an emulator's sockets are opened again for every command. Dies with
 * the parent, whose death would otherwise leave the TPM taken.
 */
function giveUpRights(name: string): void {
  if (process.platform !== 'linux') return;
  if (process.getuid?.() === 0 && !isSoftwareName(name)) {
    process.setgroups?.([]);
    process.setgid?.(nobody);
    process.setuid?.(nobody);
  }
  const libc = koffi.load('libc.so.6');
  const prctl = libc.func('int prctl(int op, unsigned long value)');
  const PR_SET_PDEATHSIG = 1;
  const PR_SET_DUMPABLE = 4;
  prctl(PR_SET_PDEATHSIG, 9);
  prctl(PR_SET_DUMPABLE, 0);
}

/** What the parent sends, as it comes: several commands may be here at once. */
function* commands(): Generator<Buffer> {
  const take = deframer(maxMessage);
  const chunk = Buffer.alloc(2 * maxMessage);
  for (let count = readSync(0, chunk); count > 0; count = readSync(0, chunk))
    yield* take(chunk.subarray(0, count));
}

function say(kind: number, body: Uint8Array): void {
  const bytes = frame(Buffer.of(kind), body);
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

function fail(error: unknown): never {
  const why = error instanceof TpmTransportError ? error.why : 'died';
  const text = error instanceof Error ? error.message : String(error);
  say(ANSWER.failure, Buffer.from(JSON.stringify({ why, text: text.slice(0, 500) })));
  process.exit(1);
}

function serve(transport: BlockingTransport): void {
  for (const command of commands()) say(ANSWER.response, transport.transceive(command));
  transport.close();
}

try {
  const name = process.argv[2] ?? '';
  const transport = name === 'tbs' ? openTbs() : openTcti(name);
  giveUpRights(name);
  serve(transport);
} catch (error) {
  fail(error);
}
