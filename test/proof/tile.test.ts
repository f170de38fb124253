import fc from 'fast-check';
import t from 'tap';
import {
  CompactRange,
  nodesOfTiles,
  parseTilePath,
  rootOf,
  tilePath,
  tilesOf,
} from '../../daemon/proof/mod.ts';
import type { Hash, Tile } from '../../daemon/proof/mod.ts';
import { leavesOf, nodesOver } from './trees.ts';

t.test('tiles have the paths of C2SP tlog-tiles', async (t) => {
  t.equal(tilePath({ level: 0, index: 1234067, width: 256 }), 'tile/0/x001/x234/067');
  t.equal(tilePath({ level: 63, index: 0, width: 1 }), 'tile/63/000.p/1');
  const widths = tilesOf(70_000).map(({ level, width }) => ({ level, width }));
  t.equal(widths.filter(({ level, width }) => level === 0 && width === 256).length, 273);
  t.strictSame(widths.slice(273), [
    { level: 0, width: 112 },
    { level: 1, width: 256 },
    { level: 1, width: 17 },
    { level: 2, width: 1 },
  ]);
});

t.test('a path is read as the tile it was made of, and nothing else is a path', async (t) => {
  const tile: fc.Arbitrary<Tile> = fc.record({
    level: fc.nat({ max: 63 }),
    index: fc.nat({ max: 999_999_999 }),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(fc.property(tile, (each) => t.same(parseTilePath(tilePath(each)), each)));
  fc.assert(
    fc.property(fc.string(), (text) => {
      const read = parseTilePath(text);
      return read === undefined || tilePath(read) === text;
    }),
  );
  const wrong = [
    'tile/00/000',
    'tile/64/000',
    'tile/0/1',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/x000/001',
  ];
  for (const text of [...wrong, 'tile/0/000/', '/tile/0/000', 'tile/0/000.p/300', 'tile/0/001/002'])
    t.equal(parseTilePath(text), undefined, text);
});

t.test('all nodes can be had from whole tiles and the leaves', async (t) => {
  const size = 256 * 3 + 77;
  const leaves = leavesOf(size);
  const levels: Hash[][] = [[], []];
  const range = new CompactRange();
  for (const leaf of leaves)
    range.append(leaf, (height, index, hash) => {
      if (height === 8) (levels[1] ?? [])[index] = hash;
    });
  levels[0] = leaves;
  const nodes = nodesOfTiles((level, from, count) => levels[level]?.slice(from, from + count) ?? []);
  const plain = nodesOver(leaves);
  for (const [height, index] of [
    [0, 5],
    [7, 3],
    [8, 2],
    [9, 0],
    [3, 100],
  ] as const)
    t.equal(nodes(height, index), plain(height, index));
  t.equal(rootOf(nodes, size), range.root());
  t.throws(() => nodes(9, 1), RangeError);
});
