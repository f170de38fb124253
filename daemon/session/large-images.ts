// The digests of images that are too large to be hashed on the way of an exec: taken beside it, and recorded when known.
// One after the other and bounded, since the agent says how many there are and how large: it pays for none of this.
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync } from 'node:fs';
import type { NewRecord } from '../model/mod.ts';
import type { HashImage } from './messages.ts';

interface Digested {
  /** The next exec of the same image has its digest at once. */
  readonly learn: (key: string, sha256: string) => void;
  readonly record: (record: NewRecord) => void;
}

const CHUNK = 1024 * 1024;
export const MAX_BYTES = 1024 * CHUNK;
export const MAX_WAITING = 64;

export class LargeImages {
  readonly #to: Digested;
  readonly #waiting = new Set<HashImage>();
  #last: Promise<void> = Promise.resolve();

  constructor(to: Digested) {
    this.#to = to;
  }

  /** Takes the descriptor over. */
  hash(image: HashImage): void {
    const why =
      this.#waiting.size >= MAX_WAITING
        ? `${MAX_WAITING} images wait to be hashed already`
        : fstatSync(image.fd).size > MAX_BYTES
          ? `images of more than ${MAX_BYTES / CHUNK} MiB are not hashed`
          : undefined;
    if (why !== undefined) {
      closeSync(image.fd);
      this.#leftOut(image, why);
      return;
    }
    this.#waiting.add(image);
    this.#last = this.#last.then(() => this.#hash(image));
  }

  /** Resolves when none is being hashed, or after `ms`: what is not known by then is on record without its digest. */
  async settled(ms: number): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
    await Promise.race([this.#last, late]);
    for (const image of this.#waiting) this.#leftOut(image, 'the session was over before it was read');
    this.#waiting.clear();
  }

  /** Beside the path of any decision: the exec itself is on record already. Never rejects. */
  async #hash(image: HashImage): Promise<void> {
    const hash = createHash('sha256');
    const options = { fd: image.fd, autoClose: true, highWaterMark: CHUNK, end: MAX_BYTES };
    try {
      for await (const chunk of createReadStream('', options)) hash.update(chunk as Buffer);
    } catch (error) {
      console.error(`supervisor: ${image.path} could not be hashed: ${String(error)}`);
      if (this.#waiting.delete(image)) this.#leftOut(image, 'it could not be read');
      return;
    }
    if (!this.#waiting.delete(image)) return;
    const sha256 = hash.digest('hex');
    this.#to.learn(image.key, sha256);
    this.#record(image, 'the image of an earlier exec in this session', { sha256 });
  }

  #leftOut(image: HashImage, why: string): void {
    this.#record(image, `the image of an earlier exec in this session, without its digest: ${why}`);
  }

  #record({ path }: HashImage, reason: string, detail?: NewRecord['detail']): void {
    this.#to.record({
      kind: 'exec',
      operation: 'image',
      object: path,
      disposition: 'observed',
      layer: 'daemon',
      reason,
      ...(detail === undefined ? {} : { detail }),
    });
  }
}
