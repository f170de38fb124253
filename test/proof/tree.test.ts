import fc from 'fast-check';
import t from 'tap';
import {
  chainHash,
  CompactRange,
  consistencyProof,
  emptyChain,
  emptyRoot,
  hexOf,
  holdsConsistency,
  holdsInclusion,
  inclusionProof,
  leafHash,
  leafHashOfBytes,
  nodeHash,
  rootOf,
  subtrees,
} from '../../daemon/proof/mod.ts';
import type { Hash } from '../../daemon/proof/mod.ts';
import { leavesOf, nodesOver, plainRoot } from './trees.ts';

/** The leaves and roots that implementations of RFC 6962 share as their reference. */
const reference = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const referenceRoots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

t.test('the reference leaves of RFC 6962 have the reference roots, however they are reached', async (t) => {
  const leaves = reference.map((hex) => leafHashOfBytes(Buffer.from(hex, 'hex')));
  t.equal(hexOf(emptyRoot), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  const range = new CompactRange();
  for (const [i, leaf] of leaves.entries()) {
    range.append(leaf);
    t.equal(hexOf(range.root()), referenceRoots[i]);
    t.equal(hexOf(rootOf(nodesOver(leaves), i + 1)), referenceRoots[i]);
  }
});

t.test('the proofs of the example in RFC 6962, section 2.1.3, are the nodes it names', async (t) => {
  const leaves = leavesOf(7);
  const [a, b, c, d, e, f, j] = leaves as [Hash, Hash, Hash, Hash, Hash, Hash, Hash];
  const [g, h, i] = [nodeHash(a, b), nodeHash(c, d), nodeHash(e, f)];
  const [k, l] = [nodeHash(g, h), nodeHash(i, j)];
  const nodes = nodesOver(leaves);
  t.strictSame(inclusionProof(nodes, 0, 7), [b, h, l]);
  t.strictSame(inclusionProof(nodes, 3, 7), [c, g, l]);
  t.strictSame(inclusionProof(nodes, 4, 7), [f, j, k]);
  t.strictSame(inclusionProof(nodes, 6, 7), [i, k]);
  t.strictSame(consistencyProof(nodes, 3, 7), [c, d, g, l]);
  t.strictSame(consistencyProof(nodes, 4, 7), [l]);
  t.strictSame(consistencyProof(nodes, 6, 7), [i, j, k]);
});

t.test('text is hashed as its UTF-8 bytes', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40_000 }), (text) => {
      return leafHash(text) === leafHashOfBytes(Buffer.from(text));
    }),
    { numRuns: 50 },
  );
});

t.test('a chain depends on every leaf and on their order', async (t) => {
  const chain = (leaves: readonly Hash[]): Hash => leaves.reduce(chainHash, emptyChain);
  const leaves = leavesOf(5);
  const seen = new Set([
    chain(leaves),
    chain(leaves.toReversed()),
    chain(leaves.slice(1)),
    chain(leavesOf(6)),
  ]);
  t.equal(seen.size, 4);
});

t.test(
  'every leaf is provable in every tree of up to 70 leaves, and each earlier tree in each later',
  async (t) => {
    const leaves = leavesOf(70);
    const nodes = nodesOver(leaves);
    for (let size = 1; size <= 70; size++) {
      const root = plainRoot(leaves.slice(0, size));
      if (rootOf(nodes, size) !== root) t.fail(`root of ${size}`);
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(nodes, index, size);
        if (!holdsInclusion({ leaf: leaves[index] ?? '', index, size, root, proof }))
          t.fail(`${index} in ${size}`);
      }
      for (let first = 0; first <= size; first++) {
        const proof = consistencyProof(nodes, first, size);
        const firstRoot = plainRoot(leaves.slice(0, first));
        if (!holdsConsistency({ first, firstRoot, second: size, secondRoot: root, proof }))
          t.fail(`${first} before ${size}`);
      }
    }
  },
);

const flipped = (hash: Hash, bit: number): Hash => {
  const bytes = Buffer.from(hash, 'latin1');
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return bytes.latin1Slice();
};
const anyBit = fc.integer({ min: 0, max: 255 });

t.test('no proof holds after any flip, cut, addition or exchange, or for another place', async () => {
  const leaves = leavesOf(300);
  const nodes = nodesOver(leaves);
  const place = fc
    .integer({ min: 2, max: 300 })
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }), fc.nat(), anyBit));
  fc.assert(
    fc.property(place, ([size, index, pick, bit]) => {
      const proof = inclusionProof(nodes, index, size);
      const sound = { leaf: leaves[index] ?? '', index, size, root: rootOf(nodes, size), proof };
      const at = pick % proof.length;
      const wrong = [
        { ...sound, proof: proof.with(at, flipped(proof[at] ?? '', bit)) },
        { ...sound, proof: proof.toSpliced(at, 1) },
        { ...sound, proof: proof.toSpliced(at, 0, proof[at] ?? '') },
        { ...sound, root: flipped(sound.root, bit) },
        { ...sound, leaf: flipped(sound.leaf, bit) },
        { ...sound, index: (index + 1 + (pick % (size - 1))) % size },
      ];
      return holdsInclusion(sound) && !wrong.some(holdsInclusion);
    }),
  );
  fc.assert(
    fc.property(place, ([second, before, pick, bit]) => {
      const first = Math.max(1, before);
      const proof = consistencyProof(nodes, first, second);
      const [firstRoot, secondRoot] = [rootOf(nodes, first), rootOf(nodes, second)];
      const sound = { first, firstRoot, second, secondRoot, proof };
      const at = pick % proof.length;
      const wrong = [
        { ...sound, proof: proof.with(at, flipped(proof[at] ?? '', bit)) },
        { ...sound, proof: proof.toSpliced(at, 1) },
        { ...sound, firstRoot: flipped(firstRoot, bit) },
        { ...sound, secondRoot: flipped(secondRoot, bit) },
      ];
      return holdsConsistency(sound) && !wrong.some(holdsConsistency);
    }),
  );
});

t.test('a compact range taken up anywhere goes on as if it had never stopped', async () => {
  fc.assert(
    fc.property(fc.nat({ max: 600 }), fc.nat({ max: 300 }), (before, more) => {
      const leaves = leavesOf(before + more);
      const nodes = nodesOver(leaves);
      const roots = subtrees(before).map(({ height, index }) => nodes(height, index));
      const range = CompactRange.of(before, roots);
      for (const leaf of leaves.slice(before)) range.append(leaf);
      return range.root() === plainRoot(leaves) && range.size === before + more;
    }),
    { numRuns: 40 },
  );
});

t.test('what is beyond the tree has no proof', async (t) => {
  const nodes = nodesOver(leavesOf(4));
  for (const [index, size] of [
    [4, 4],
    [-1, 4],
    [0.5, 4],
    [0, 0],
    [0, 5],
    [0, NaN],
  ] as const)
    t.throws(() => inclusionProof(nodes, index, size), RangeError, `${index} of ${size}`);
  t.throws(() => consistencyProof(nodes, 5, 4), RangeError);
});
