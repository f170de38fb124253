import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { CordonError } from '../../daemon/model/mod.ts';
import {
  cosign,
  cosignatureTime,
  cosignatureVerifier,
  emptyRoot,
  formatCheckpoint,
  formatVerifierKey,
  leafHash,
  noteVerifier,
  openNote,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  rawPublicKey,
  signNote,
} from '../../daemon/proof/mod.ts';
import type { NoteSigner } from '../../daemon/proof/mod.ts';

const signer = (name: string): NoteSigner => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { name, publicKey: rawPublicKey(publicKey), sign: (message) => sign(null, message, privateKey) };
};
const refused = (work: () => unknown): boolean => {
  try {
    work();
    return false;
  } catch (error) {
    return error instanceof CordonError;
  }
};

// Of the C2SP document signed-note.
const exampleKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const example = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;
// Of the C2SP document tlog-cosignature.
const sofa = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;

t.test('the example of C2SP signed-note opens with its key, and with no other', async (t) => {
  const key = parseVerifierKey(exampleKey);
  t.equal(openNote(example, [key]).text, 'This is an example message.\n');
  t.equal(openNote(Buffer.from(example), [key]).verified[0]?.verifier.name, 'example.com/foo');
  t.equal(formatVerifierKey(key), exampleKey);
  t.throws(() => openNote(example, [noteVerifier('example.com/foo', signer('x').publicKey)]), {
    code: 'protocol',
  });
  t.throws(() => openNote(example.replace('message.', 'massage.'), [key]), { message: /is false/ });
});

t.test('the cosigned checkpoint of C2SP tlog-cosignature is read', async (t) => {
  const { text, signatures } = parseNote(sofa);
  t.match(parseCheckpoint(text), { origin: 'example.com/behind-the-sofa', size: 20852163 });
  t.equal(formatCheckpoint(parseCheckpoint(text)), text);
  t.equal(cosignatureTime(signatures[1]?.bytes ?? new Uint8Array()), 1679315147);
  t.equal(cosignatureTime(signatures[0]?.bytes ?? new Uint8Array()), undefined);
});

t.test(
  'a checkpoint that was signed and cosigned is verified by both keys, and no byte can be another',
  async (t) => {
    const log = signer('example.com/log');
    const witness = signer('witness.example.com/w');
    const text = formatCheckpoint({ origin: log.name, size: 5, root: leafHash('x') });
    const note = signNote(text, log) + cosign(text, 1_700_000_000, witness);
    const keys = [
      noteVerifier(log.name, log.publicKey),
      cosignatureVerifier(witness.name, witness.publicKey),
    ];
    t.strictSame(
      openNote(note, keys).verified.map(({ verifier }) => verifier.name),
      [log.name, witness.name],
    );
    const roundTrip = keys.map((key) => parseVerifierKey(formatVerifierKey(key)));
    t.equal(openNote(note, roundTrip).verified.length, 2);
    const bytes = Buffer.from(note);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ 1;
      let opened = 0;
      try {
        opened = openNote(changed, keys).verified.length;
      } catch {
        continue;
      }
      // A name that became unknown: that signature is ignored, the other stands.
      if (opened === 2) t.fail(`byte ${i} can be changed`);
    }
    const later = cosign(text, 1_700_000_001, witness);
    const swapped = later.replace(/ \S+\n$/, note.slice(note.lastIndexOf(' ')));
    t.equal(openNote(signNote(text, log) + swapped, keys).verified.length, 2, 'only the line counts');
  },
);

t.test('a plain signature is no cosignature and the other way round', async (t) => {
  const key = signer('w.example/w');
  const text = formatCheckpoint({ origin: 'o', size: 0, root: emptyRoot });
  t.throws(() => openNote(signNote(text, key), [cosignatureVerifier(key.name, key.publicKey)]));
  t.throws(() => openNote(`${text}\n${cosign(text, 1, key)}`, [noteVerifier(key.name, key.publicKey)]));
});

const lines = (...each: string[]): string => each.map((line) => `${line}\n`).join('');
const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';

t.test('what is nearly a checkpoint is none', async (t) => {
  t.ok(parseCheckpoint(lines('o', '7', root)));
  const wrong: Record<string, string> = {
    'leading zero': lines('o', '07', root),
    sign: lines('o', '+7', root),
    'no newline': lines('o', '7', root).slice(0, -1),
    'no origin': lines('', '7', root),
    'space in origin': lines('o o', '7', root),
    'too large': lines('o', '9007199254740993', root),
    'short root': lines('o', '7', 'CsUYapGGPo4d'),
    'other base64 of the root': lines('o', '7', root.replace('2I=', '2J=')),
    extension: lines('o', '7', root, 'more'),
    'empty tree with a root': lines('o', '0', root),
  };
  for (const [name, text] of Object.entries(wrong))
    t.throws(() => parseCheckpoint(text), { code: 'protocol' }, name);
});

t.test('what is nearly a note is none', async (t) => {
  const wrong: Record<string, string | Uint8Array> = {
    empty: '',
    'no signature': 'text\n\n',
    'no last newline': example.slice(0, -1),
    'a control character': example.replace('an', 'a\tn'),
    'two spaces': example.replace('— ', '—  '),
    'a hyphen': example.replace('—', '-'),
    'more after the signatures': `${example}more\n`,
    'not UTF-8': Buffer.from([...Buffer.from(example), 0xff, 0x0a]),
    'base64 of another alphabet': example.replace('+', '-').replace('Uw2Q', 'Uw_Q'),
    'base64 without padding': example.replace('aQM=', 'aQM'),
    'plus in the name': example.replace('com/foo', 'com+foo'),
    'a thousand signatures': example + example.slice(example.indexOf('—')).repeat(1000),
  };
  for (const [name, text] of Object.entries(wrong))
    t.throws(() => parseNote(text), { code: 'protocol' }, name);
});

t.test('the parsers throw CordonError or read, whatever the bytes', async () => {
  const pieces = fc.constantFrom(
    '— ',
    '\n',
    '\n\n',
    ' ',
    'example.com/foo',
    '+530d903a+',
    'Uw2QOg==',
    'é',
    '7',
    root,
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces).map((parts) => parts.join('')),
  );
  const fine = (read: () => unknown): boolean => {
    try {
      read();
      return true;
    } catch (error) {
      return error instanceof CordonError;
    }
  };
  fc.assert(
    fc.property(text, (each) => {
      return (
        fine(() => parseNote(each)) && fine(() => parseCheckpoint(each)) && fine(() => parseVerifierKey(each))
      );
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => fine(() => parseNote(bytes))));
});

t.test('verifier keys are strict', async (t) => {
  for (const text of [
    exampleKey.toUpperCase(),
    exampleKey.replace('530d903a', '530d903b'),
    exampleKey.replace('+Ae', '+Ag'),
    exampleKey.slice(0, -4),
    `${exampleKey}=`,
    exampleKey.replace('example', 'exam ple'),
    '',
  ])
    t.ok(
      refused(() => parseVerifierKey(text)),
      text,
    );
});
