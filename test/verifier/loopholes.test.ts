// Ways around a check that once were open, each by name. The TPM is real (emulated); the evidence is true but for the lie.
import t from 'tap';
import { createHash, randomBytes } from 'node:crypto';
import { Attester } from '../../daemon/attestation/mod.ts';
import { evidenceText, readEvidence } from '../../daemon/evidence/mod.ts';
import type { Evidence } from '../../daemon/evidence/mod.ts';
import { challenge, noExpectations, readExpectations, verifyEvidence } from '../../daemon/verifier/mod.ts';
import type { Memory, VerifyRequest } from '../../daemon/verifier/mod.ts';
import {
  certifyNv,
  createPrimary,
  defineCounter,
  extendPcr,
  held,
  incrementNv,
  readNvIndex,
} from '../../native-bindings/tpm/mod.ts';
import { ALG, concat, put, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, daemonFacts, failures, memoryStore } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;
const digestOf = (statement: string): Buffer => createHash('sha256').update(statement).digest();

/** An event log of the newer form that announces SHA-256, with these measurements. */
function eventLog(...events: readonly { readonly pcr: number; readonly digest: Buffer }[]): Buffer {
  const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
  const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer);
  const announcement = concat(Buffer.from('Spec ID Event03\0'), Buffer.alloc(8), u32(1), u16(0x0b), u16(32));
  const first = concat(announcement, Buffer.of(0));
  const header = concat(u32(0), u32(3), Buffer.alloc(20), u32(first.length), first);
  const rest = events.map(({ pcr, digest }) =>
    concat(u32(pcr), u32(0x0d), u32(1), u16(0x0b), digest, u32(0)),
  );
  return concat(header, ...rest);
}

t.test('ways around a check', { skip }, async (t) => {
  const machine = await attested(t);
  const tpm = machine.swtpm.open();
  const good = await machine.quote();
  const { memory } = machine.verify(good);
  const changed = (changes: Partial<Evidence>) => ({
    ...good,
    evidence: evidenceText({ ...readEvidence(good.evidence), ...changes }),
  });
  const left = (() => {
    const { type, ak, quote, bank, pcrs, statement } = readEvidence(good.evidence);
    return { ...good, evidence: evidenceText({ type, ak, quote, bank, pcrs, statement }) };
  })();
  /** By a verifier that pinned the key's Name and has no enrolment. */
  const pinned = ({ evidence, nonce }: typeof good, remembered?: Memory): string[] => {
    const request: VerifyRequest = {
      evidence,
      nonce,
      expectations: {
        ...noExpectations,
        allowSoftware: true,
        pinned: new Map([[machine.enrolled.ak, 'software']]),
      },
      ...(remembered === undefined ? {} : { memory: remembered }),
    };
    return failures(verifyEvidence(request));
  };

  t.test('values of PCRs cut at other places than the bank’s digests are refused', async (t) => {
    const { pcrs } = readEvidence(good.evidence);
    const both = concat(pcrs.get(0)!, pcrs.get(1)!);
    const cut = new Map([...pcrs, [0, both.subarray(0, 31)], [1, both.subarray(31)]] as const);
    t.same(failures(machine.verify(changed({ pcrs: cut }))), ['pcr-values']);
  });

  t.test('evidence that names another bank than was quoted is refused', async (t) => {
    t.same(failures(machine.verify(changed({ bank: 'sha384' }))), ['pcr-selection']);
  });

  t.test('an event log that explains nothing is none', async (t) => {
    const empty = changed({ eventLog: eventLog() });
    t.same(failures(machine.verify(empty, { requireEventLog: true })), ['event-log']);
  });

  t.test('a counter that is left out is missed, enrolled or not', async (t) => {
    t.same(failures(machine.verify(left)), ['counter'], 'enrolled with it');
    t.same(pinned(left, memory), ['counter'], 'a pinned key, seen with it before');
    t.same(pinned(left), ['counter'], 'a pinned key: its statement names a value');
    const { type, ek, ak, certificates } = await machine.attester.enrol();
    const { enrolled } = challenge({ type, ek, ak, certificates }, machine.anchors, Date.now());
    t.equal(enrolled.counter, '');
    const request = { ...left, enrolled, expectations: { ...noExpectations, allowSoftware: true } };
    t.same(
      failures(verifyEvidence({ ...request, ...(memory && { memory }) })),
      ['counter'],
      'enrolled anew without it',
    );
  });

  t.test('another counter than the one seen before is refused for a pinned key', async (t) => {
    t.same(pinned(good, memory), []);
    const other = new Attester({
      tpm,
      counter: 0x0181c0d7,
      ekCertificates: [],
      store: memoryStore(),
      bank: 'sha256',
      pcrs: noExpectations.pcrs,
      logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
      facts: () => ({ ...daemonFacts, audit: { ...daemonFacts.audit, size: 11 } }),
    });
    const nonce = randomBytes(32).toString('hex');
    const evidence = evidenceText(await other.quote(nonce));
    t.same(pinned({ nonce, evidence }, memory), ['counter']);
  });

  t.test('an enrolment of another key lends this one nothing, its counter included', async (t) => {
    const { statement } = readEvidence(good.evidence);
    const foreign = await tpm.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), async (key) => {
        await defineCounter(transport, 0x0181c0d5);
        await incrementNv(transport, 0x0181c0d5);
        return certifyNv(transport, key, await readNvIndex(transport, 0x0181c0d5), digestOf(statement));
      }),
    );
    const other = { ...machine.enrolled, ak: `000b${'11'.repeat(32)}` };
    const { evidence, nonce } = changed({ counter: foreign });
    const expectations = { ...noExpectations, allowSoftware: true };
    const found = failures(verifyEvidence({ evidence, nonce, expectations, enrolled: other }));
    t.ok(found.includes('enrolment') && found.includes('counter'), found.join());
  });

  t.test('an RSA key that is shorter than it says is too weak', async (t) => {
    const request = await machine.attester.enrol();
    const modulus = randomBytes(128);
    modulus.writeUInt8(0xff, 0);
    const ak = concat(templates.akRsa2048.subarray(0, -2), put.sized(modulus));
    t.throws(() => challenge({ ...request, ak }, machine.anchors, Date.now()), /too weak/);
  });

  t.test('an event log that is silent about a quoted PCR is refused', async (t) => {
    const measured = randomBytes(32);
    await tpm.use((transport) => extendPcr(transport, 4, ALG.SHA256, measured));
    await tpm.use((transport) => extendPcr(transport, 5, ALG.SHA256, measured));
    const quoted = await machine.quote();
    const logged = (log: Buffer) => ({
      ...quoted,
      evidence: evidenceText({ ...readEvidence(quoted.evidence), eventLog: log }),
    });
    const whole = eventLog({ pcr: 4, digest: measured }, { pcr: 5, digest: measured });
    t.same(failures(machine.verify(logged(whole), { requireEventLog: true })), []);
    const partial = eventLog({ pcr: 4, digest: measured });
    t.same(failures(machine.verify(logged(partial))), ['event-log']);
  });
});

t.test('reference values that expect a quote over nothing are an error', async (t) => {
  t.throws(() => readExpectations('{"pcrs":[]}'), /proves nothing/);
});
