// Tiles (C2SP tlog-tiles): the tree cut into subtrees of height 8. Level 0 holds leaf hashes; a hash of level n + 1 is
// the root of a whole tile of level n. What is kept of a tree is its tiles: any other node is worked out from one.
import { nodeHash } from './hash.ts';
import type { Hash } from './hash.ts';
import type { Nodes } from './tree.ts';

export const tileHeight = 8;
export const tileWidth = 256;

/** `count` hashes of a level from index `from` on; `from` and `count` are such that they are of one tile. */
export type ReadLevel = (level: number, from: number, count: number) => readonly Hash[];

/** Root of hashes that are a power of two many. */
export function foldHashes(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i] ?? '', row[i + 1] ?? ''));
    row = above;
  }
  return row[0] ?? '';
}

/** Throws RangeError when the level has less than a node needs. */
export function nodesOfTiles(read: ReadLevel): Nodes {
  return (height, index) => {
    const level = Math.floor(height / tileHeight);
    const count = 2 ** (height % tileHeight);
    const hashes = read(level, index * count, count);
    if (hashes.length !== count)
      throw new RangeError(`level ${level} of the tree lacks hashes from ${index * count} on`);
    return foldHashes(hashes);
  };
}

export interface Tile {
  readonly level: number;
  readonly index: number;
  /** Hashes in it, 1 to 256. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const parts = padded.match(/\d{3}/g) ?? [];
  const path = parts.map((part, i) => (i < parts.length - 1 ? `x${part}` : part)).join('/');
  return `tile/${level}/${path}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** Undefined for what is not the one path of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  const match = /^tile\/(0|[1-9]\d?)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return undefined;
  const tile = {
    level: Number(match[1]),
    index: Number((match[2] ?? '').replace(/[x/]/g, '')),
    width: match[3] === undefined ? tileWidth : Number(match[3]),
  };
  return tile.level <= 63 && tile.width <= tileWidth && tilePath(tile) === path ? tile : undefined;
}

/** The tiles that a tree of this size has, level by level; those with less than 256 hashes are the last of theirs. */
export function tilesOf(size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0, hashes = size; hashes > 0; level += 1, hashes = Math.floor(hashes / tileWidth)) {
    const whole = Math.floor(hashes / tileWidth);
    for (let index = 0; index < whole; index++) tiles.push({ level, index, width: tileWidth });
    if (hashes % tileWidth > 0) tiles.push({ level, index: whole, width: hashes % tileWidth });
  }
  return tiles;
}
