// Trees of tests, and the definition of RFC 6962 as it is written, against which the rest is held.
import { emptyRoot, leafHash, nodeHash } from '../../daemon/proof/mod.ts';
import type { Hash, Nodes } from '../../daemon/proof/mod.ts';

export const leavesOf = (count: number): Hash[] =>
  Array.from({ length: count }, (_, i) => leafHash(`leaf ${i}`));

/** MTH of RFC 6962, section 2.1, word for word. */
export function plainRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length < 2) return leaves[0] ?? emptyRoot;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(plainRoot(leaves.slice(0, k)), plainRoot(leaves.slice(k)));
}

/** Throws RangeError for nodes beyond the leaves. */
export function nodesOver(leaves: readonly Hash[]): Nodes {
  const nodes: Nodes = (height, index) => {
    const leaf = leaves[index];
    if (height > 0) return nodeHash(nodes(height - 1, 2 * index), nodes(height - 1, 2 * index + 1));
    if (leaf === undefined) throw new RangeError(`no leaf ${index}`);
    return leaf;
  };
  return nodes;
}
