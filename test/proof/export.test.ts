import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { CordonError } from '../../daemon/model/mod.ts';
import {
  chainHash,
  checkExport,
  emptyChain,
  entryLine,
  formatCheckpoint,
  formatVerifierKey,
  headerLine,
  inclusionProof,
  leafHash,
  noteVerifier,
  rawPublicKey,
  rootOf,
  signNote,
  subtrees,
  subtreesBetween,
  trailerLine,
} from '../../daemon/proof/mod.ts';
import type { ExportResult, Hash, NoteSigner } from '../../daemon/proof/mod.ts';
import { leavesOf, nodesOver } from './trees.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const signer: NoteSigner = {
  name: 'example.com/log/1',
  publicKey: rawPublicKey(publicKey),
  sign: (message) => sign(null, message, privateKey),
};
const verifier = noteVerifier(signer.name, signer.publicKey);
const base = 1000;
const size = 90;
const leaves = leavesOf(size);
const nodes = nodesOver(leaves);
const chains = leaves.reduce<Hash[]>((all, leaf) => [...all, chainHash(all.at(-1) ?? emptyChain, leaf)], []);
const checkpoint = signNote(
  formatCheckpoint({ origin: signer.name, size, root: rootOf(nodes, size) }),
  signer,
);
const key = formatVerifierKey(verifier);
const rootsOf = (trees: ReturnType<typeof subtrees>): Hash[] =>
  trees.map(({ height, index }) => nodes(height, index));

/** Entries `from` to `to` (not included) of the log, all of them. */
function whole(from: number, to: number): string[] {
  const chain = from === 0 ? emptyChain : (chains[from - 1] ?? '');
  const header = { origin: signer.name, base, from: base + from, to: base + to, host: 'h', key };
  const entries = Array.from({ length: to - from }, (_, i) =>
    entryLine({ position: base + from + i, event: `leaf ${from + i}`, chain: chains[from + i] ?? '' }),
  );
  const right = rootsOf(subtreesBetween(to, size));
  return [
    headerLine({ ...header, left: rootsOf(subtrees(from)), chain }),
    ...entries,
    trailerLine({ checkpoint, right }),
  ];
}

function chosen(indexes: readonly number[]): string[] {
  const header = { origin: signer.name, base, from: base, to: base + size, host: 'h', key };
  const entries = indexes.map((index) =>
    entryLine({ position: base + index, event: `leaf ${index}`, proof: inclusionProof(nodes, index, size) }),
  );
  return [headerLine(header), ...entries, trailerLine({ checkpoint })];
}

const check = (lines: readonly string[]): Promise<ExportResult> =>
  checkExport(lines, { key: verifier, witnesses: [] });
const kinds = ({ problems }: ExportResult): string[] =>
  problems.map(({ kind, position }) => `${kind} ${position}`);

t.test('any stretch of a log proves itself', async () => {
  const stretch = fc
    .tuple(fc.nat({ max: size }), fc.nat({ max: size }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  await fc.assert(
    fc.asyncProperty(stretch, async ([from, to]) => {
      const result = await check(whole(from, to));
      return result.ok && result.entries === to - from && result.trusted && result.checkpoint?.size === size;
    }),
  );
});

t.test('chosen entries prove themselves one by one', async (t) => {
  t.match(await check(chosen([3, 17, 89])), { ok: true, entries: 3 });
  const lines = chosen([3, 17, 89]);
  lines[2] = lines[2]?.replace('leaf 17', 'leaf 18') ?? '';
  t.strictSame(kinds(await check(lines)), ['edit 1017']);
});

t.test('a pruned entry is its hash', async (t) => {
  const lines = whole(10, 20);
  lines[3] = entryLine({ position: base + 12, leaf: leaves[12] ?? '', chain: chains[12] ?? '' });
  t.match(await check(lines), { ok: true, pruned: 1 });
  lines[3] = entryLine({ position: base + 12, leaf: leaves[13] ?? '', chain: chains[12] ?? '' });
  t.strictSame(kinds(await check(lines)), ['edit 1012']);
});

t.test('what was changed is told with its place', async (t) => {
  const change = (work: (lines: string[]) => unknown): Promise<ExportResult> => {
    const lines = whole(10, 20);
    work(lines);
    return check(lines);
  };
  const edited = await change((lines) => (lines[5] = lines[5]?.replace('leaf 14', 'leaf 41') ?? ''));
  t.strictSame(kinds(edited), ['edit 1014']);
  const deleted = await change((lines) => lines.splice(5, 2));
  t.strictSame(kinds(deleted), ['deletion 1014']);
  const swapped = await change((lines) => lines.splice(5, 2, lines[6] ?? '', lines[5] ?? ''));
  t.ok(kinds(swapped).includes('reordering 1014'), kinds(swapped).join());
  const cut = await change((lines) => lines.splice(9));
  t.strictSame(kinds(cut), ['truncation 1018']);
  const short = await change((lines) => lines.splice(9, 2));
  t.strictSame(kinds(short), ['truncation 1018']);
  const unsigned = await change((lines) => (lines[11] = lines[11]?.replace('\\n90\\n', '\\n91\\n') ?? ''));
  t.strictSame(kinds(unsigned), ['checkpoint undefined']);
  // Made anew as far as the file goes: only the signed root tells.
  const forged = await change((lines) => {
    let chain = chains[13] ?? '';
    for (let i = 14; i < 20; i++) {
      const event = i === 14 ? 'forged' : `leaf ${i}`;
      chain = chainHash(chain, leafHash(event));
      lines[i - 9] = entryLine({ position: base + i, event, chain });
    }
  });
  t.strictSame(kinds(forged), ['checkpoint undefined']);
});

t.test('without a key that was given, a file agrees with itself, and it says so', async (t) => {
  const other = noteVerifier(signer.name, rawPublicKey(generateKeyPairSync('ed25519').publicKey));
  t.match(await checkExport(whole(0, 90), { key: undefined, witnesses: [] }), { ok: true, trusted: false });
  t.match(await checkExport(whole(0, 90), { key: other, witnesses: [] }), { ok: false, trusted: true });
});

t.test(
  'whatever the lines, the answer is a result or a CordonError, and never that all is well',
  async () => {
    const sound = whole(10, 20);
    const line = fc.oneof(
      fc.constantFrom(...sound),
      fc.string(),
      fc.json(),
      fc.constant('{"position":1010}'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 14 }), async (lines) => {
        const result = await check(lines).catch((error: unknown) => error);
        if (result instanceof CordonError) return true;
        const { ok, entries } = result as ExportResult;
        return !ok || entries === 10;
      }),
    );
  },
);
