// The digests of images that are too large to be hashed on the way of an exec: taken beside it, and recorded when known.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { NewRecord } from '../model/mod.ts';
import type { HashImage } from './messages.ts';

interface Digested {
  /** The next exec of the same image has its digest at once. */
  readonly learn: (key: string, sha256: string) => void;
  readonly record: (record: NewRecord) => void;
}

const CHUNK = 1024 * 1024;

export class LargeImages {
  readonly #to: Digested;
  readonly #hashing = new Set<Promise<void>>();

  constructor(to: Digested) {
    this.#to = to;
  }

  /** Takes the descriptor over. */
  hash(image: HashImage): void {
    const done = this.#hash(image).finally(() => this.#hashing.delete(done));
    this.#hashing.add(done);
  }

  /** Resolves when none is being hashed, or after `ms`: a disk that does not give an image in time leaves its digest out. */
  async settled(ms: number): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
    await Promise.race([Promise.allSettled(this.#hashing), late]);
  }

  /** Beside the path of any decision: the exec itself is on record already. */
  async #hash({ key, path, fd }: HashImage): Promise<void> {
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream('', { fd, autoClose: true, highWaterMark: CHUNK }))
        hash.update(chunk as Buffer);
    } catch (error) {
      console.error(`supervisor: ${path} could not be hashed: ${String(error)}`);
      return;
    }
    const sha256 = hash.digest('hex');
    this.#to.learn(key, sha256);
    this.#to.record({
      kind: 'exec',
      operation: 'image',
      object: path,
      disposition: 'observed',
      layer: 'daemon',
      reason: 'the image of an earlier exec in this session',
      detail: { sha256 },
    });
  }
}
