// The keys that sign tokens, in the TPM: what the certification proves, and every way to pretend it.
import t from 'tap';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { evidenceText, tokenJwk, readEvidence } from '../../daemon/evidence/mod.ts';
import type { TokenKeyEvidence } from '../../daemon/evidence/mod.ts';
import { KeyRing, tpmKeeper } from '../../daemon/tokens/mod.ts';
import { resultToken } from '../../daemon/verifier/mod.ts';
import { certify, create, createPrimary, held, load } from '../../native-bindings/tpm/mod.ts';
import type { Wrapped } from '../../native-bindings/tpm/mod.ts';
import { OBJECT, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, failures, verifierKey } from '../support/attested.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = noSwtpm ?? false;
const now = 1_700_000_000_000;
const digestOf = (statement: string): Buffer => createHash('sha256').update(statement).digest();

t.test('token keys that the attestation key vouches for', { skip }, async (t) => {
  const published: Wrapped[] = [];
  const machine = await attested(t, { tokenKeys: () => published });
  const tpm = machine.swtpm.open();
  const bare = await machine.quote();
  const ring = await KeyRing.open(join(temporaryDirectory(t), 'keys.json'), tpmKeeper(tpm, 'software'), now);
  const { kid, wrapped } = ring.signing(now);
  published.push(wrapped!);
  const good = await machine.quote();
  const [shown] = readEvidence(good.evidence).tokenKeys!;
  const withKeys = (tokenKeys: readonly TokenKeyEvidence[]) => ({
    ...good,
    evidence: evidenceText({ ...readEvidence(good.evidence), tokenKeys }),
  });
  const refused = (...tokenKeys: readonly TokenKeyEvidence[]): string[] =>
    failures(machine.verify(withKeys(tokenKeys)));

  /** A key of ours, certified for the good statement by this machine's attestation key, or another. */
  const certified = (
    attributes: number,
    { statement = readEvidence(good.evidence).statement, ak = templates.akP256, on = tpm } = {},
  ): Promise<TokenKeyEvidence> =>
    on.use(async (transport) => {
      const template = Buffer.from(templates.signingChild);
      template.writeUInt32BE(attributes, 4);
      const made = await held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (root) =>
        create(transport, root, template),
      );
      const loaded = held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (root) =>
        load(transport, root, made),
      );
      return held(transport, loaded, (key) =>
        held(transport, createPrimary(transport, RH.ENDORSEMENT, ak), async (attester) => ({
          ...(await certify(transport, key, attester, digestOf(statement))),
          publicArea: made.publicArea,
        })),
      );
    });
  const usual =
    OBJECT.fixedTPM |
    OBJECT.fixedParent |
    OBJECT.sensitiveDataOrigin |
    OBJECT.userWithAuth |
    OBJECT.sign |
    OBJECT.noDA;

  t.test('are named in the result, by the id under which they are published', async (t) => {
    const verdict = machine.verify(good, { requireTokenKeys: true });
    t.same(failures(verdict), []);
    t.match(verdict.tokenKeys, [{ kid }]);
    t.equal(tokenJwk(shown!.publicArea).kid, kid);
    t.match(
      verdict.checks.find(({ name }) => name === 'token-keys'),
      { outcome: 'success', reason: `in this TPM: ${kid}` },
    );
    const options = { key: verifierKey(), nonce: good.nonce, now: 1000, lifetime: 300 };
    t.match(decodeJwt(await resultToken(verdict, options)), { cordon: { tokenKeys: [kid] } });
    t.same(refused(await certified(usual)), [], 'so is one made by hand');
  });

  t.test('none are shown: that is accepted, unless they are demanded', async (t) => {
    t.same(failures(machine.verify(bare)), []);
    t.same(machine.verify(bare).tokenKeys, []);
    t.same(failures(machine.verify(bare, { requireTokenKeys: true })), ['token-keys']);
  });

  t.test('a key that was made outside, or may leave, or is for something else, is refused', async (t) => {
    t.same(refused(await certified(usual & ~OBJECT.fixedTPM & ~OBJECT.fixedParent)), ['token-keys']);
    t.same(refused(await certified(usual | OBJECT.restricted)), ['token-keys']);
  });

  t.test(
    'a certification for another statement, by another key, of another kind or key is refused',
    async (t) => {
      t.same(refused(await certified(usual, { statement: '{}' })), ['token-keys']);
      t.same(refused(await certified(usual, { ak: templates.akRsa2048 })), ['token-keys']);
      const stranger = await startSwtpm(t, { certified: false });
      t.same(refused(await certified(usual, { on: stranger.open() })), ['token-keys']);
      const { quote, counter } = readEvidence(good.evidence);
      for (const other of [quote, counter!])
        t.same(refused({ ...other, publicArea: shown!.publicArea }), ['token-keys']);
      const another = await certified(usual);
      t.same(refused({ ...shown!, publicArea: another.publicArea }), ['token-keys']);
      t.same(
        refused(shown!, { ...shown!, publicArea: another.publicArea }),
        ['token-keys'],
        'one bad spoils all',
      );
    },
  );

  t.test('keys of before the TPM was cleared are left out, and nothing fails', async (t) => {
    const elsewhere = await startSwtpm(t, { certified: false });
    const theirs = await KeyRing.open(
      join(temporaryDirectory(t), 'keys.json'),
      tpmKeeper(elsewhere.open(), 'software'),
      now,
    );
    published.unshift(theirs.signing(now).wrapped!);
    const quoted = await machine.quote();
    published.shift();
    const verdict = machine.verify(quoted);
    t.same(failures(verdict), []);
    t.match(verdict.tokenKeys, [{ kid }]);
  });
});
