// SHA-256 of executed images, for the record. A small file is hashed where its exec is recorded; a large one is handed
// over to be hashed beside the path, and known from its next exec on. Keyed by identity and time of change, so that a
// rewritten image is hashed again.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { O, type Files, type Stat } from '../../native-bindings/linux/mod.ts';

/** About half a millisecond. */
const MAX_INLINE = 1024 * 1024;
const MAX_KNOWN = 4096;

export interface LargeImage {
  readonly key: string;
  readonly path: string;
  /** Open for reading; whoever receives it closes it. */
  readonly fd: number;
}

export class ImageDigests {
  private readonly files: Files;
  private readonly handOver: (image: LargeImage) => void;
  /** '' while it is being hashed. */
  private readonly known = new Map<string, string>();
  constructor(files: Files, handOver: (image: LargeImage) => void) {
    this.files = files;
    this.handOver = handOver;
  }
  learn(key: string, sha256: string): void {
    this.known.set(key, sha256);
  }
  /** Hex, or undefined when it is not known yet or the agent's user may not read it. `object`: O_PATH descriptor. */
  of(object: number, proc: number, path: string, stat: Stat): string | undefined {
    const key = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
    // Files of /proc act when they are opened, and change while they are read.
    if (path.startsWith('/proc/')) return undefined;
    const known = this.known.get(key);
    if (known !== undefined) return known === '' ? undefined : known;
    const fd = this.files.openat(proc, this.files.selfPath(object), O.RDONLY | O.CLOEXEC | O.NONBLOCK);
    if (fd < 0) return undefined;
    if (this.known.size >= MAX_KNOWN) this.known.clear();
    if (stat.size > MAX_INLINE) {
      this.known.set(key, '');
      this.handOver({ key, path, fd });
      return undefined;
    }
    const sha256 = hashNow(fd);
    this.files.close(fd);
    if (sha256 !== undefined) this.known.set(key, sha256);
    return sha256;
  }
}

/** undefined: it cannot be read, which the exec itself will find out. */
function hashNow(fd: number): string | undefined {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(65536);
  let left = MAX_INLINE + buffer.length; // it may grow while it is read
  try {
    for (let n = 1; n > 0 && left > 0; left -= n) {
      n = readSync(fd, buffer, 0, buffer.length, null);
      hash.update(buffer.subarray(0, n));
    }
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}
