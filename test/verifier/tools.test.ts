// The second opinion of Debian's tpm2-tools, in both directions: theirs on ours, ours on theirs.
import t from 'tap';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keylimeQuote, quoteFiles, readEvidence } from '../../daemon/evidence/mod.ts';
import {
  pcrDigest,
  readAttest,
  readCredentialFile,
  readKey,
  readSignature,
  signedBy,
} from '../../native-bindings/tpm/wire/mod.ts';
import { ALG, makeCredential, put, writeCredentialFile } from '../../native-bindings/tpm/wire/mod.ts';
import { readPcrs } from '../../native-bindings/tpm/mod.ts';
import { attested } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;

/**
 * TPML_PCR_SELECTION (a count, 16 of 8 bytes), a count, then TPML_DIGEST (a count, 8 of 2 + 64 bytes), all little-endian, and
 * nothing behind: as `__get_pcrs_from_blob` of Keylime's tpm_util takes it apart.
 */
function digestOfImage(image: Buffer): Buffer {
  const lists = image.readUInt32LE(132);
  if (image.readUInt32LE(0) !== 1 || image.length !== 136 + lists * 532) throw new Error('not the image');
  const slots = Array.from({ length: lists * 8 }, (_, i) => 136 + Math.floor(i / 8) * 532 + 4 + (i % 8) * 66);
  const values = slots.map((at) => image.subarray(at + 2, at + 2 + image.readUInt16LE(at)));
  return createHash('sha256').update(Buffer.concat(values)).digest();
}

t.test('tpm2-tools', { skip }, async (t) => {
  const machine = await attested(t);
  const { swtpm } = machine;
  const { directory } = swtpm;
  const tool = (...command: string[]) => swtpm.tool(...command);

  const check = (qualifying: string) =>
    tool(
      'tpm2_checkquote',
      ...[
        '-u',
        'ak.pem',
        '-m',
        'quote.msg',
        '-s',
        'quote.sig',
        '-f',
        'quote.pcrs',
        '-g',
        'sha256',
        '-q',
        qualifying,
      ],
    );

  t.test('tpm2_checkquote accepts our quote, and refuses it once tampered with', async (t) => {
    const { evidence } = await machine.quote();
    const files = quoteFiles(readEvidence(evidence));
    for (const [name, content] of files) writeFileSync(join(directory, name), content);
    const qualifying = String(files.get('qualifying.hex'));
    t.match(await check(qualifying), /pcrs:/);
    await t.rejects(check(randomBytes(32).toString('hex')), 'another nonce');
    for (const name of ['quote.msg', 'quote.pcrs'] as const) {
      const bytes = Buffer.from(readFileSync(join(directory, name)));
      const original = Buffer.from(bytes);
      const at = name === 'quote.msg' ? bytes.length - 1 : 136 + 6 + 3;
      bytes[at]! ^= 1;
      writeFileSync(join(directory, name), bytes);
      await t.rejects(check(qualifying), `a changed ${name}`);
      writeFileSync(join(directory, name), original);
    }
    await check(qualifying);
    await tool(
      ...['tpm2_checkquote', '-u', 'ak.pub', '-m', 'quote.msg', '-s', 'quote.sig', '-f', 'quote.pcrs'],
      ...['-g', 'sha256', '-q', qualifying],
    );
  });

  t.test('sha256sum of the statement is what was quoted', async (t) => {
    const { evidence } = await machine.quote();
    const files = quoteFiles(readEvidence(evidence));
    writeFileSync(join(directory, 'statement.json'), files.get('statement.json') ?? '');
    const printed = await tool('sha256sum', 'statement.json');
    t.equal(printed.split(' ')[0], files.get('qualifying.hex'));
  });

  t.test(
    'a Keylime quote is what Keylime reads: signed, and over the values in its image of PCRs',
    async (t) => {
      const evidence = readEvidence((await machine.quote()).evidence);
      const text = keylimeQuote(evidence);
      t.equal(text[0], 'r');
      const parts = text.slice(1).split(':');
      t.equal(parts.length, 3);
      const [message, signature, image] = parts.map((part) => Buffer.from(part, 'base64')) as [
        Buffer,
        Buffer,
        Buffer,
      ];
      t.ok(signedBy(readKey(evidence.ak), message, readSignature(signature)));
      const facts = readAttest(message);
      if (facts.type !== 'quote') return t.fail(facts.type);
      t.same(facts.pcrDigest, digestOfImage(image));
      return undefined;
    },
  );

  for (const [kind, alg] of [
    ['ecc', 'ecdsa'],
    ['rsa', 'rsassa'],
  ] as const)
    t.test(`a quote by tpm2_quote with ${alg} verifies here`, async (t) => {
      await tool('tpm2_createek', '-c', 'ek.ctx', '-G', 'rsa', '-u', 'ek.pub');
      await tool('tpm2_flushcontext', '-t');
      await tool(
        'tpm2_createak',
        '-C',
        'ek.ctx',
        '-c',
        'ak.ctx',
        '-G',
        kind,
        '-g',
        'sha256',
        '-s',
        alg,
        '-u',
        'ak.pub',
      );
      await tool('tpm2_flushcontext', '-t');
      const nonce = randomBytes(20);
      await tool(
        'tpm2_quote',
        '-c',
        'ak.ctx',
        '-l',
        'sha256:0,1,7',
        '-q',
        nonce.toString('hex'),
        '-m',
        'q.msg',
        '-s',
        'q.sig',
      );
      await tool('tpm2_flushcontext', '-t');
      const read = (name: string) => readFileSync(join(directory, name));
      const key = readKey(read('ak.pub').subarray(2));
      const message = read('q.msg');
      t.ok(signedBy(key, message, readSignature(read('q.sig'))));
      const facts = readAttest(message);
      const values = await swtpm
        .open()
        .use((transport) => readPcrs(transport, { alg: ALG.SHA256, pcrs: [0, 1, 7] }));
      if (facts.type !== 'quote') return t.fail(facts.type);
      t.same(facts.extraData, nonce);
      t.same(facts.pcrDigest, pcrDigest(ALG.SHA256, values));
      message[message.length - 1]! ^= 1;
      t.notOk(signedBy(key, message, readSignature(read('q.sig'))));
      return undefined;
    });

  t.test('a credential by tpm2_makecredential is activated by us', async (t) => {
    const request = await machine.attester.enrol();
    const secret = randomBytes(32);
    writeFileSync(join(directory, 'our-ek.pub'), put.sized(request.ek));
    writeFileSync(join(directory, 'secret'), secret);
    const args = ['-T', 'none', '-u', 'our-ek.pub', '-s', 'secret', '-n', machine.enrolled.ak, '-o', 'cred'];
    await tool('tpm2_makecredential', ...args);
    const credential = readCredentialFile(readFileSync(join(directory, 'cred')));
    t.same(await machine.attester.activate({ id: '1', ...credential }), secret);
  });

  t.test('a credential by us is activated by tpm2_activatecredential', async (t) => {
    await tool('tpm2_createek', '-c', 'ek2.ctx', '-G', 'rsa', '-u', 'ek2.pub');
    await tool('tpm2_flushcontext', '-t');
    await tool(
      'tpm2_createak',
      '-C',
      'ek2.ctx',
      '-c',
      'ak2.ctx',
      '-G',
      'ecc',
      '-g',
      'sha256',
      '-s',
      'ecdsa',
      '-n',
      'ak2.name',
    );
    await tool('tpm2_flushcontext', '-t');
    const secret = randomBytes(32);
    const ek = readKey(readFileSync(join(directory, 'ek2.pub')).subarray(2));
    const credential = makeCredential(ek, readFileSync(join(directory, 'ak2.name')), secret);
    writeFileSync(join(directory, 'cred2'), writeCredentialFile(credential));
    await tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
    await tool('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e');
    const args = ['-c', 'ak2.ctx', '-C', 'ek2.ctx', '-i', 'cred2', '-o', 'out', '-P', 'session:session.ctx'];
    await tool('tpm2_activatecredential', ...args);
    await tool('tpm2_flushcontext', 'session.ctx');
    t.same(readFileSync(join(directory, 'out')), secret);
  });
});
