// The key that signs the record, sealed by the TPM: what the certification proves, and every way to pretend it.
import t from 'tap';
import { createHash, randomBytes } from 'node:crypto';
import { sealUp } from '../../daemon/attestation/mod.ts';
import { evidenceText, readEvidence, recordKeyBinding } from '../../daemon/evidence/mod.ts';
import type { Evidence, RecordKeyEvidence, Sealed } from '../../daemon/evidence/mod.ts';
import { readResult, resultToken } from '../../daemon/verifier/mod.ts';
import { decodeJwt } from 'jose';
import {
  certifyCreation,
  create,
  createPrimary,
  extendPcr,
  held,
  load,
  readPcrs,
} from '../../native-bindings/tpm/mod.ts';
import { ALG, OBJECT, pcrPolicy, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, daemonFacts, failures, verifierKey } from '../support/attested.ts';
import { escrowKeys } from '../support/escrow.ts';
import { noSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;
const publicKey = Buffer.from(daemonFacts.audit.key, 'hex');
const about = recordKeyBinding(publicKey);
const digestOf = (statement: string): Buffer => createHash('sha256').update(statement).digest();
const sealedTo = { bank: 'sha256', pcrs: [0, 2, 7], escrow: escrowKeys().publicKey };

t.test('the record’s key in the TPM', { skip }, async (t) => {
  const kept: { sealed?: Sealed } = {};
  const machine = await attested(t, { sealedKey: () => kept.sealed });
  const tpm = machine.swtpm.open();
  const bare = await machine.quote();
  const fresh = await sealUp(tpm, randomBytes(32), { ...sealedTo, about });
  kept.sealed = fresh.sealed;
  const good = await machine.quote();
  const shown = readEvidence(good.evidence).recordKey!;
  const { memory } = machine.verify(good);
  const withKey = (recordKey: RecordKeyEvidence, quoted = good) => ({
    ...quoted,
    evidence: evidenceText({ ...readEvidence(quoted.evidence), recordKey }),
  });

  /** An object of ours, certified for the good statement by the machine's own attestation key. */
  const certified = (
    attributes: number,
    outsideInfo: Buffer,
    pcrs: readonly number[],
    hierarchyKey = templates.akP256,
  ): Promise<RecordKeyEvidence> =>
    tpm.use(async (transport) => {
      const selection = { alg: ALG.SHA256, pcrs };
      const policy = pcrPolicy(ALG.SHA256, await readPcrs(transport, selection));
      const template = Buffer.from(templates.sealed(policy));
      template.writeUInt32BE(attributes, 4);
      const parent = createPrimary(transport, RH.OWNER, templates.storageP256);
      return held(transport, parent, async (root) => {
        const data = randomBytes(32);
        const options = { data, outsideInfo, creationPcrs: selection };
        const made = await create(transport, root, template, options);
        return held(transport, load(transport, root, made), (object) =>
          held(transport, createPrimary(transport, RH.ENDORSEMENT, hierarchyKey), async (ak) => {
            const creationHash = createHash('sha256').update(made.creationData).digest();
            const { statement } = readEvidence(good.evidence);
            const { ticket } = made;
            const signed = await certifyCreation(transport, ak, object, digestOf(statement), {
              creationHash,
              ticket,
            });
            return { ...signed, publicArea: made.publicArea, creationData: made.creationData };
          }),
        );
      });
    });
  const usual = OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.noDA;

  t.test('is certified, and the result says so', async (t) => {
    const verdict = machine.verify(good, { requireSealedKey: true, sealedPcrs: [0, 7] });
    t.same(failures(verdict), []);
    const check = verdict.checks.find(({ name }) => name === 'audit-key');
    t.match(check, { outcome: 'success', reason: 'sealed to PCR 0, 2, 7 as quoted' });
    const key = verifierKey();
    const token = await resultToken(verdict, { key, nonce: good.nonce, now: 1000, lifetime: 300 });
    t.match(decodeJwt(token), { cordon: { auditKeySealed: true } });
    const { kty, crv, x, alg } = key.jwk;
    t.ok((await readResult(token, { kty, crv, x, alg } as typeof key.jwk, 1100)).accepted);
    t.same(
      failures(machine.verify(withKey(await certified(usual, about, [7])))),
      [],
      'so is one made by hand',
    );
  });

  t.test('a key in a file is accepted, unless a sealed one is demanded or was shown before', async (t) => {
    t.same(failures(machine.verify(bare)), []);
    t.same(failures(machine.verify(bare, { requireSealedKey: true })), ['audit-key']);
    const { type, ak, quote, bank, pcrs, statement, counter } = readEvidence(good.evidence);
    const left: Evidence = { type, ak, quote, bank, pcrs, statement, counter: counter! };
    t.same(failures(machine.verify({ ...good, evidence: evidenceText(left) }, {}, memory)), ['audit-key']);
  });

  t.test('another key than the one sealed is refused', async (t) => {
    const other = recordKeyBinding(randomBytes(32));
    t.same(failures(machine.verify(withKey(await certified(usual, other, [7])))), ['audit-key']);
  });

  t.test('an object that opens without its policy is refused', async (t) => {
    const loose = await certified(usual | OBJECT.userWithAuth, about, [7]);
    t.same(failures(machine.verify(withKey(loose))), ['audit-key']);
  });

  t.test('an object that may leave the TPM is refused', async (t) => {
    t.same(failures(machine.verify(withKey(await certified(OBJECT.noDA, about, [7])))), ['audit-key']);
  });

  t.test('an object sealed to PCRs that prove nothing, or too few, is refused', async (t) => {
    for (const pcrs of [[23], [7, 16], [11], []])
      t.same(
        failures(machine.verify(withKey(await certified(usual, about, pcrs)))),
        ['audit-key'],
        pcrs.join(),
      );
    t.same(failures(machine.verify(good, { sealedPcrs: [4] })), ['audit-key']);
  });

  t.test('a certification by another key, for another statement, or of other data is refused', async (t) => {
    const ownerKey = await certified(usual, about, [7], templates.signingP256('x'));
    t.same(failures(machine.verify(withKey(ownerKey))), ['audit-key'], 'by another key');
    const later = await machine.quote();
    t.same(failures(machine.verify(withKey(shown, later))), ['audit-key'], 'for another statement');
    const creationData = Buffer.from(shown.creationData);
    creationData.writeUInt8(creationData.at(-1)! ^ 1, creationData.length - 1);
    t.same(failures(machine.verify(withKey({ ...shown, creationData }))), ['audit-key'], 'of other data');
    const { publicArea } = await certified(usual, about, [7]);
    t.same(failures(machine.verify(withKey({ ...shown, publicArea }))), ['audit-key'], 'of another object');
    const { quote } = readEvidence(good.evidence);
    t.same(failures(machine.verify(withKey({ ...shown, ...quote }))), ['audit-key'], 'a quote instead');
  });

  t.test('noise is a failed check, never an exception', async (t) => {
    for (const bytes of [Buffer.alloc(0), randomBytes(7), randomBytes(200)])
      for (const field of ['attest', 'signature', 'publicArea', 'creationData'] as const)
        t.ok(failures(machine.verify(withKey({ ...shown, [field]: bytes }))).includes('audit-key'));
  });

  t.test('a machine that was started otherwise since it was sealed is refused', async (t) => {
    await tpm.use((transport) => extendPcr(transport, 7, ALG.SHA256, randomBytes(32)));
    t.same(failures(machine.verify(await machine.quote())), ['audit-key']);
  });
});
