// What a tampered endpoint tries, each by name. The TPM is real (emulated) throughout: the lies are around it.
import t from 'tap';
import { createHash, randomBytes } from 'node:crypto';
import { Attester } from '../../daemon/attestation/mod.ts';
import { defaultPcrs, evidenceText, readEvidence } from '../../daemon/evidence/mod.ts';
import type { Evidence } from '../../daemon/evidence/mod.ts';
import { challenge, noExpectations, verifyEvidence } from '../../daemon/verifier/mod.ts';
import {
  certifyNv,
  createPrimary,
  defineCounter,
  extendPcr,
  held,
  incrementNv,
  quote,
  readNvIndex,
  readPcrs,
  resetPcr,
  undefineNv,
} from '../../native-bindings/tpm/mod.ts';
import { ALG, OBJECT, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { anchorsOf, attested, daemonFacts, failures, memoryStore } from '../support/attested.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;
const changed = (evidence: string, changes: Partial<Evidence>): string =>
  evidenceText({ ...readEvidence(evidence), ...changes });
const digestOf = (statement: string): Buffer => createHash('sha256').update(statement).digest();

t.test('adversary', { skip }, async (t) => {
  const machine = await attested(t);
  const { swtpm } = machine;
  const verify: typeof machine.verify = (...given) => machine.verify(...given);
  const tpm = swtpm.open();
  const good = await machine.quote();

  t.test('what nobody touched is accepted', async (t) => {
    const verdict = verify(good);
    t.same(failures(verdict), []);
    t.ok(verdict.accepted);
    t.equal(verdict.tpm, 'software');
  });

  t.test('a software TPM is refused where a real one is expected', async (t) => {
    t.same(failures(verify(good, { allowSoftware: false })), ['tpm']);
  });

  t.test('a replayed quote is refused: the nonce is another', async (t) => {
    t.same(failures(verify({ ...good, nonce: randomBytes(32).toString('hex') })), ['nonce']);
  });

  t.test('a statement that was swapped is refused', async (t) => {
    const { statement } = readEvidence(good.evidence);
    const better = statement.replace(/"killEpoch":1/, '"killEpoch":9');
    const verdict = verify({ ...good, evidence: changed(good.evidence, { statement: better }) });
    t.ok(failures(verdict).includes('statement'));
    t.notOk(verdict.accepted);
  });

  t.test('a quote of another key is refused', async (t) => {
    const evidence = readEvidence(good.evidence);
    const other = await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.OWNER, templates.akP256), async (key) => ({
        ak: key.publicArea,
        quote: await quote(transport, key, digestOf(evidence.statement), {
          alg: ALG.SHA256,
          pcrs: defaultPcrs,
        }),
      })),
    );
    t.ok(failures(verify({ ...good, evidence: changed(good.evidence, other) })).includes('enrolment'));
    const { quote: foreign } = other;
    t.same(
      failures(verify({ ...good, evidence: changed(good.evidence, { quote: foreign }) })),
      ['quote-signature'],
      'also when the enrolled key is sent along',
    );
  });

  t.test('a right signature over something that is no quote is refused', async (t) => {
    const evidence = readEvidence(good.evidence);
    const certified = await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async (key) =>
        certifyNv(transport, key, await readNvIndex(transport, 0x0181c0d0), digestOf(evidence.statement)),
      ),
    );
    const found = failures(verify({ ...good, evidence: changed(good.evidence, { quote: certified }) }));
    t.ok(found.includes('quote-type'), found.join());
    t.notOk(found.includes('quote-signature'), 'the signature itself is good');
  });

  t.test('a quote over other PCRs than expected is refused', async (t) => {
    const { statement } = readEvidence(good.evidence);
    for (const pcrs of [[0], [...defaultPcrs, 23], [16, ...defaultPcrs], []]) {
      const selection = { alg: ALG.SHA256, pcrs };
      const lie = await tpm.use((transport) =>
        held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async (key) => ({
          quote: await quote(transport, key, digestOf(statement), selection),
          pcrs: await readPcrs(transport, selection),
        })),
      );
      const found = failures(verify({ ...good, evidence: changed(good.evidence, lie) }));
      t.same(found, ['pcr-selection'], `PCR ${pcrs.join()}`);
    }
  });

  t.test('a quote over another bank than expected is refused', async (t) => {
    t.same(failures(verify(good, { bank: 'sha384' })), ['pcr-selection']);
  });

  t.test('values that are not those quoted are refused', async (t) => {
    const { pcrs } = readEvidence(good.evidence);
    const lie = new Map([...pcrs, [4, Buffer.alloc(32, 7)]]);
    t.same(failures(verify({ ...good, evidence: changed(good.evidence, { pcrs: lie }) })), ['pcr-values']);
    const fewer = new Map([...pcrs].filter(([pcr]) => pcr !== 4));
    t.same(failures(verify({ ...good, evidence: changed(good.evidence, { pcrs: fewer }) })), ['pcr-values']);
  });

  t.test(
    'a PCR that was reset proves nothing, and is refused even when an administrator lists it',
    async (t) => {
      await tpm.use(async (transport) => {
        await extendPcr(transport, 23, ALG.SHA256, randomBytes(32));
        await resetPcr(transport, 23);
      });
      const asked = [...defaultPcrs, 23];
      const other = new Attester({
        tpm,
        counter: 0x0181c0d0,
        ekCertificates: [],
        store: machine.store,
        bank: 'sha256',
        pcrs: asked,
        logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
        facts: () => daemonFacts,
      });
      const nonce = randomBytes(32).toString('hex');
      const evidence = evidenceText(await other.quote(nonce));
      t.same(failures(verify({ nonce, evidence }, { pcrs: asked })), ['pcr-selection']);
    },
  );

  t.test('a PCR with a value that is not expected is refused', async (t) => {
    const value = readEvidence(good.evidence).pcrs.get(7)?.toString('hex') ?? '';
    t.ok(verify(good, { pcrValues: new Map([[7, [value]]]) }).accepted);
    t.same(failures(verify(good, { pcrValues: new Map([[7, ['00'.repeat(31) + '01']]]) })), [
      'reference-pcrs',
    ]);
  });

  t.test('programs and policies that are not listed are refused', async (t) => {
    t.ok(
      verify(good, {
        policyDigests: ['cc'.repeat(32)],
        images: { daemon: ['aa'.repeat(32)], supervisor: [] },
      }).accepted,
    );
    t.same(failures(verify(good, { policyDigests: ['00'.repeat(32)] })), ['policy']);
    t.same(failures(verify(good, { images: { daemon: [], supervisor: ['00'.repeat(32)] } })), ['images']);
    t.same(failures(verify(good, { layers: ['landlock', 'apparmor'] })), ['layers']);
    t.same(failures(verify(good, { minimumAuditSize: 11 })), ['audit']);
    t.same(failures(verify(good, { minimumKillEpoch: 2 })), ['kill-epoch']);
  });

  t.test('an attestation key without restricted is not enrolled', async (t) => {
    const request = await machine.attester.enrol();
    const loose = Buffer.from(request.ak);
    loose.writeUInt32BE(loose.readUInt32BE(4) & ~OBJECT.restricted, 4);
    t.throws(() => challenge({ ...request, ak: loose }, machine.anchors, Date.now()), /lacks restricted/);
    const evidence = changed(good.evidence, { ak: loose });
    const found = failures(verify({ ...good, evidence }));
    t.ok(found.includes('ak-attributes') && found.includes('enrolment'), found.join());
  });

  t.test('an endorsement key that leads to no trusted root is not enrolled', async (t) => {
    const stranger = await startSwtpm(t);
    const request = await machine.attester.enrol();
    t.throws(() => challenge(request, anchorsOf(stranger), Date.now()), /no root that is trusted/);
    t.throws(
      () => challenge({ ...request, certificates: [] }, machine.anchors, Date.now()),
      /no certificate/,
    );
  });

  t.test('a certificate for another endorsement key is not enrolled', async (t) => {
    const request = await machine.attester.enrol();
    const ek = await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.OWNER, templates.ekP256), async (key) => key.publicArea),
    );
    t.throws(() => challenge({ ...request, ek }, machine.anchors, Date.now()), /for another endorsement key/);
  });

  t.test('a certificate that has expired, or is not valid yet, is not enrolled', async (t) => {
    const request = await machine.attester.enrol();
    t.throws(() => challenge(request, machine.anchors, 0), /not valid yet/);
  });

  t.test('a credential is worth nothing in another TPM', async (t) => {
    const stranger = await startSwtpm(t, { certified: false });
    const other = new Attester({
      tpm: stranger.open(),
      counter: 0x0181c0d0,
      ekCertificates: [],
      store: memoryStore(),
      bank: 'sha256',
      pcrs: defaultPcrs,
      logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
      facts: () => daemonFacts,
    });
    const { credential } = challenge(await machine.attester.enrol(), machine.anchors, Date.now());
    await t.rejects(other.activate({ id: '1', ...credential }));
  });

  t.test('time that goes back is refused', async (t) => {
    const { memory } = verify(good);
    if (memory === undefined) return t.fail('nothing to remember');
    t.same(failures(verify(good, {}, { ...memory, resetCount: memory.resetCount + 1 })), ['clock']);
    t.same(failures(verify(good, {}, { ...memory, restartCount: memory.restartCount + 1 })), ['clock']);
    t.same(failures(verify(good, {}, { ...memory, clock: String(BigInt(memory.clock) + 1000n) })), ['clock']);
    t.same(failures(verify(good, {}, { ...memory, counter: '99999' })), ['counter']);
    t.same(failures(verify(good, {}, { ...memory, killEpoch: 7 })), ['kill-epoch']);
    return undefined;
  });

  t.test('a record that shrank, or was exchanged, is refused', async (t) => {
    const { memory } = verify(good);
    if (memory === undefined) return t.fail('nothing to remember');
    t.same(failures(verify(good, {}, { ...memory, auditSize: 11 })), ['audit']);
    t.same(failures(verify(good, {}, { ...memory, auditRoot: '00'.repeat(32) })), ['audit']);
    t.same(failures(verify(good, {}, { ...memory, auditOrigin: 'cordon-log/other' })), ['audit']);
    t.same(failures(verify(good, {}, { ...memory, auditKey: '11'.repeat(32) })), ['audit']);
    return undefined;
  });

  t.test('an edited event log is refused', async (t) => {
    const event = (digest: Buffer) => {
      const numbers = Buffer.alloc(8);
      numbers.writeUInt32LE(4, 0);
      numbers.writeUInt32LE(13, 4);
      return Buffer.concat([numbers, digest, Buffer.alloc(4)]);
    };
    const evidence = changed(good.evidence, { eventLog: event(Buffer.alloc(20, 1)) });
    t.same(failures(verify({ ...good, evidence })), ['event-log']);
    t.same(failures(verify(good, { requireEventLog: true })), ['event-log'], 'so is one that was left out');
  });

  t.test('a database that was put back to an earlier state is found out', async (t) => {
    const before = new Map(machine.store.kept);
    machine.facts = { ...daemonFacts, audit: { ...daemonFacts.audit, size: 20 } };
    await machine.quote();
    machine.facts = { ...daemonFacts, audit: { ...daemonFacts.audit, size: 30 } };
    t.ok(verify(await machine.quote()).accepted);
    for (const [name, value] of before) machine.store.write(name, value);
    machine.facts = daemonFacts;
    t.same(failures(verify(await machine.quote())), ['audit'], 'by a verifier that remembers nothing');
    machine.facts = { ...daemonFacts, audit: { ...daemonFacts.audit, size: 40 } };
    t.same(failures(verify(await machine.quote())), ['audit'], 'and for good');
  });
});

t.test(
  'a counter that is deleted and made anew does not go back, and another counter is refused',
  { skip },
  async (t) => {
    const machine = await attested(t);
    const tpm = machine.swtpm.open();
    const { memory } = machine.verify(await machine.quote());
    await tpm.use(async (transport) => {
      await undefineNv(transport, 0x0181c0d0);
      await defineCounter(transport, 0x0181c0d0);
      await incrementNv(transport, 0x0181c0d0);
    });
    const verdict = machine.verify(await machine.quote(), {}, memory);
    t.same(failures(verdict), ['audit'], 'the steps it took are unaccounted for');
    const { statement, quote: signed } = readEvidence((await machine.quote()).evidence);
    t.ok(signed.attest.length > 0);
    const foreign = await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async (key) => {
        await defineCounter(transport, 0x0181c0d5);
        await incrementNv(transport, 0x0181c0d5);
        return certifyNv(transport, key, await readNvIndex(transport, 0x0181c0d5), digestOf(statement));
      }),
    );
    const quoted = await machine.quote();
    t.ok(
      failures(
        machine.verify({ ...quoted, evidence: changed(quoted.evidence, { counter: foreign }) }),
      ).includes('counter'),
    );
  },
);

t.test('evidence that is noise is refused in words, never with an exception', async (t) => {
  for (const evidence of ['', '{', '[]', '{"type":"cordon-evidence/1"}', 'null', 'x'.repeat(3_000_000)]) {
    const verdict = verifyEvidence({ evidence, nonce: 'aa'.repeat(8), expectations: noExpectations });
    t.same(failures(verdict), ['form']);
    t.notOk(verdict.accepted);
  }
});

t.test('an emulator is software whatever its certificate leads to', { skip }, async (t) => {
  const machine = await attested(t);
  const anchors = {
    ...machine.anchors,
    roots: machine.anchors.roots.map((root) => ({ ...root, kind: 'hardware' as const })),
  };
  const { enrolled } = challenge(await machine.attester.enrol(), anchors, Date.now());
  t.equal(enrolled.tpm, 'software');
  t.equal(enrolled.manufacturer, 'id:00001014');
});
