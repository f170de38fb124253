import { generateKeyPairSync, sign } from 'node:crypto';
import t from 'tap';
import {
  base64Of,
  consistencyProof,
  cosign,
  formatCheckpoint,
  formatVerifierKey,
  inclusionProof,
  leafHash,
  noteVerifier,
  rawPublicKey,
  rootOf,
  signNote,
} from '../../daemon/proof/mod.ts';
import type { NoteSigner } from '../../daemon/proof/mod.ts';
import { goVerifier } from './go.ts';
import type { GoRequest } from './go.ts';
import { leavesOf, nodesOver } from './trees.ts';

const signer = (name: string): NoteSigner => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { name, publicKey: rawPublicKey(publicKey), sign: (message) => sign(null, message, privateKey) };
};

const size = 77;
const leaves = leavesOf(size);
const nodes = nodesOver(leaves);
const root = base64Of(rootOf(nodes, size));

const ask = goVerifier(t);
const skip = ask === undefined && 'there is no golang-go with golang-golang-x-mod-dev';

t.test('Go’s sumdb accepts our notes and proofs, and refuses them changed', { skip }, async (t) => {
  if (ask === undefined) return;
  const log = signer('example.com/log');
  const witness = signer('witness.example.com/w');
  const text = formatCheckpoint({ origin: log.name, size, root: rootOf(nodes, size) });
  const note = signNote(text, log) + cosign(text, 1_700_000_000, witness);
  const key = formatVerifierKey(noteVerifier(log.name, log.publicKey));
  const cosigned = { key, note, witness: Buffer.from(witness.publicKey).toString('base64') };
  const inclusions: GoRequest[] = leaves.map((_, index) => ({
    kind: 'inclusion',
    leaf: `leaf ${index}`,
    index,
    size,
    root,
    proof: inclusionProof(nodes, index, size).map(base64Of),
  }));
  const consistencies: GoRequest[] = leaves.map((_, i) => ({
    kind: 'consistency',
    first: i + 1,
    firstRoot: base64Of(rootOf(nodes, i + 1)),
    size,
    root,
    proof: consistencyProof(nodes, i + 1, size).map(base64Of),
  }));
  const sound: GoRequest[] = [
    { kind: 'note', ...cosigned },
    { kind: 'cosignature', ...cosigned },
    ...inclusions,
    ...consistencies,
  ];
  t.strictSame([...new Set(ask(sound))], ['ok']);
  const other = base64Of(leafHash('another'));
  const wrong: GoRequest[] = [
    { kind: 'note', ...cosigned, note: note.replace(`\n${size}\n`, `\n${size + 1}\n`) },
    { kind: 'note', ...cosigned, key: formatVerifierKey(noteVerifier(log.name, witness.publicKey)) },
    { kind: 'cosignature', ...cosigned, witness: Buffer.from(log.publicKey).toString('base64') },
    ...inclusions.map((each) => ({ ...each, leaf: 'leaf' })),
    ...inclusions.map((each) => ({ ...each, root: other })),
    ...consistencies.map((each) => ({ ...each, firstRoot: other })),
  ];
  const answers = ask(wrong);
  t.equal(answers.length, wrong.length);
  t.notOk(answers.includes('ok'));
});
