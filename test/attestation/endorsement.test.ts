// TPMs that are otherwise: their certificate is in a file, or they have no elliptic curves. A software TPM; what refuses the
// curves is a stand-in before it, since it has them all.
import t from 'tap';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Attester } from '../../daemon/attestation/mod.ts';
import { defaultPcrs } from '../../daemon/evidence/mod.ts';
import { certificatesOf, challenge } from '../../daemon/verifier/mod.ts';
import type { Transport, Tpm } from '../../native-bindings/tpm/mod.ts';
import { readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, daemonFacts, failures, memoryStore } from '../support/attested.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;
const run = promisify(execFile);

/** As a maker's certificate says it (TCG EK Credential Profile 2.5, 3.2). */
const extensions = `basicConstraints=critical,CA:FALSE
keyUsage=critical,keyEncipherment,keyAgreement
extendedKeyUsage=2.23.133.8.1
subjectAltName=critical,dirName:tpm
[tpm]
0.2.23.133.2.1=id:00001014
0.2.23.133.2.2=swtpm
0.2.23.133.2.3=id:20191023
`;

t.test('an endorsement certificate that is in a file', { skip }, async (t) => {
  for (const kind of ['rsa', 'ecc'])
    await t.test(`of a TPM with ${kind}, whose NV has none`, async (t) => {
      const swtpm = await startSwtpm(t, { certified: false });
      const at = (name: string): string => join(swtpm.directory, name);
      await swtpm.tool('tpm2_createek', '-c', 'ek.ctx', '-G', kind, '-u', 'ek.pem', '-f', 'pem');
      await swtpm.tool('tpm2_flushcontext', '-t');
      writeFileSync(at('extensions'), extensions);
      const openssl = (...args: readonly string[]) => run('openssl', args, { cwd: swtpm.directory });
      const key = ['-newkey', 'rsa:2048', '-nodes'];
      await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=a maker');
      await openssl('req', ...key, '-keyout', 'other.key', '-out', 'csr', '-subj', '/CN=unused');
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-force_pubkey', 'ek.pem', '-set_serial', '1'];
      await openssl(
        'x509',
        '-req',
        '-in',
        'csr',
        ...by,
        '-days',
        '2',
        '-extfile',
        'extensions',
        '-out',
        'ek.crt',
      );
      const anchors = {
        roots: certificatesOf(readFileSync(at('ca.pem'), 'utf8')).map((certificate) => ({
          certificate,
          kind: 'software' as const,
        })),
        intermediates: [],
      };
      const attesterWith = (certificates: readonly Buffer[]): Attester =>
        new Attester({
          tpm: swtpm.open(),
          counter: 0x0181c0d0,
          ekCertificates: certificates,
          store: memoryStore(),
          bank: 'sha256',
          pcrs: defaultPcrs,
          logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
          facts: () => daemonFacts,
        });
      const bare = await attesterWith([]).enrol();
      t.throws(() => challenge(bare, anchors, Date.now()), { code: 'not-permitted' }, 'without it: refused');
      const [certificate] = certificatesOf(readFileSync(at('ek.crt'), 'utf8'));
      const attester = attesterWith([certificate!.raw]);
      const { credential, secret, enrolled } = challenge(await attester.enrol(), anchors, Date.now());
      t.same(await attester.activate({ id: '1', ...credential }), secret, 'with it the key is activated');
      t.match(enrolled, { tpm: 'software', manufacturer: 'id:00001014' });
      const [foreign] = certificatesOf(readFileSync(at('ca.pem'), 'utf8'));
      const other = await attesterWith([foreign!.raw]).enrol();
      t.throws(() => challenge(other, anchors, Date.now()), 'one for another key is refused');
    });
});

const ecc = ['0023000b', '0023000c'].map((start) => Buffer.from(start, 'hex'));
const createPrimary = 0x131;
/** Where certificates of keys with curves would be in NV. */
const certificates = ['01c0000a', '01c00016'].map((index) => Buffer.from(index, 'hex'));
/** TPM_RC_CURVE of the second parameter, and TPM_RC_HANDLE of the first handle. */
const noCurve = Buffer.from('80010000000a000002e6', 'hex');
const noHandle = Buffer.from('80010000000a0000018b', 'hex');

/** A STAND-IN for a TPM without elliptic curves. */
const withoutCurves = (tpm: Tpm): Tpm => ({
  ...tpm,
  use: (work) =>
    tpm.use((transport) => {
      const lacking: Transport = {
        transceive: async (command) => {
          const bytes = Buffer.from(command);
          const refused =
            bytes.readUInt32BE(6) === createPrimary && ecc.some((start) => bytes.includes(start));
          if (certificates.some((index) => bytes.includes(index))) return noHandle;
          return refused ? noCurve : transport.transceive(command);
        },
      };
      return work(lacking);
    }),
});

t.test('a TPM without elliptic curves attests by RSA keys', { skip }, async (t) => {
  const machine = await attested(t, (tpm) => ({ tpm: withoutCurves(tpm) }));
  const request = await machine.attester.enrol();
  t.equal(readKey(request.ek).type, 'rsa');
  t.equal(readKey(request.ak).type, 'rsa');
  const good = await machine.quote();
  t.same(failures(machine.verify(good)), []);
  const other = await machine.quote();
  t.not(failures(machine.verify({ ...good, nonce: other.nonce })).length, 0);
});
