// Commands of ours against a real TPM emulator, over both of its transports.
import t from 'tap';
import { randomBytes } from 'node:crypto';
import {
  activateCredential,
  certify,
  certifyNv,
  create,
  createPrimary,
  defineCounter,
  extendPcr,
  handlesFrom,
  held,
  identity,
  incrementNv,
  load,
  policyDigest,
  policyPcr,
  policySecret,
  quote,
  readNv,
  readNvIndex,
  readPcrs,
  signDigest,
  startSession,
  TpmError,
  undefineNv,
  unseal,
} from '../../../native-bindings/tpm/mod.ts';
import type { Transport } from '../../../native-bindings/tpm/mod.ts';
import {
  ALG,
  digest,
  makeCredential,
  pcrPolicy,
  readAttest,
  readKey,
  readSignature,
  RH,
  signedBy,
  templates,
} from '../../../native-bindings/tpm/wire/mod.ts';
import { noSwtpm, startSwtpm } from '../../support/swtpm.ts';
import type { Swtpm } from '../../support/swtpm.ts';

const skip = noSwtpm ?? false;
const sha256 = (pcrs: readonly number[]) => ({ alg: ALG.SHA256, pcrs });
const ak = (tpm: Transport) => createPrimary(tpm, RH.ENDORSEMENT, templates.akP256);

async function leftovers(swtpm: Swtpm): Promise<number> {
  const tpm = swtpm.open();
  const counts = await tpm.use((transport) =>
    Promise.all([0x80000000, 0x02000000, 0x03000000].map((kind) => handlesFrom(transport, kind))),
  );
  return counts.flat().length;
}

for (const over of ['unix', 'tcp'] as const)
  t.test(`a TPM over ${over} is known by its maker and never called hardware`, { skip }, async (t) => {
    const swtpm = await startSwtpm(t, { over, certified: false });
    const tpm = swtpm.open();
    const { manufacturer } = await tpm.use(identity);
    t.equal(manufacturer, 'IBM');
    t.ok(tpm.software);
  });

t.test('commands', { skip }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const tpm = swtpm.open();

  t.test('PCRs are extended and read, all 24 at once', async (t) => {
    await tpm.use(async (transport) => {
      const before = (await readPcrs(transport, sha256([16]))).get(16)!;
      const value = randomBytes(32);
      await extendPcr(transport, 16, ALG.SHA256, value);
      const all = await readPcrs(transport, sha256([...Array(24).keys()]));
      t.equal(all.size, 24);
      t.same(all.get(16), digest(ALG.SHA256, before, value));
    });
  });

  t.test('a bank that the TPM does not have is an error in words', async (t) => {
    await t.rejects(
      tpm.use((transport) => readPcrs(transport, { alg: ALG.SHA384, pcrs: [0] })),
      /no PCR bank/,
    );
  });

  t.test('the attestation key comes out the same every time', async (t) => {
    const once = () => tpm.use((transport) => held(transport, ak(transport), async (key) => key.name));
    t.same(await once(), await once());
  });

  for (const kind of ['akP256', 'akRsa2048'] as const)
    t.test(`a quote by ${kind} verifies`, async (t) => {
      await tpm.use((transport) =>
        held(transport, createPrimary(transport, RH.ENDORSEMENT, templates[kind]), async (key) => {
          const nonce = randomBytes(32);
          const { attest, signature } = await quote(transport, key, nonce, sha256([0, 7, 16]));
          t.ok(signedBy(readKey(key.publicArea), attest, readSignature(signature)));
          const facts = readAttest(attest);
          if (facts.type !== 'quote') return t.fail(facts.type);
          t.same(facts.extraData, nonce);
          t.same(facts.selection, [sha256([0, 7, 16])]);
          attest[20]! ^= 1;
          t.notOk(signedBy(readKey(key.publicArea), attest, readSignature(signature)));
          return undefined;
        }),
      );
    });

  t.test('a restricted key signs nothing that is given to it, a checkpoint key does', async (t) => {
    const message = Buffer.from('a checkpoint');
    await tpm.use((transport) =>
      held(transport, ak(transport), async (key) => {
        await t.rejects(signDigest(transport, key, digest(ALG.SHA256, message)), TpmError);
        const template = templates.signingP256('cordon checkpoint');
        await held(transport, createPrimary(transport, RH.OWNER, template), async (checkpoint) => {
          const signature = await signDigest(transport, checkpoint, digest(ALG.SHA256, message));
          t.ok(signedBy(readKey(checkpoint.publicArea), message, readSignature(signature)));
          const certified = await certify(transport, checkpoint, key, Buffer.from('q'));
          const facts = readAttest(certified.attest);
          t.ok(signedBy(readKey(key.publicArea), certified.attest, readSignature(certified.signature)));
          t.ok(facts.type === 'certify' && facts.name.equals(checkpoint.name));
        });
      }),
    );
  });

  for (const kind of ['ekP256', 'ekP384', 'ekRsa2048'] as const)
    t.test(
      `a credential for one key in a TPM with ${kind} is activated there, concealed from the bus`,
      async (t) => {
        const seen: Buffer[] = [];
        await tpm.use(async (plain) => {
          const transport: Transport = {
            transceive: async (command) => {
              const response = await plain.transceive(command);
              seen.push(Buffer.from(command), response);
              return response;
            },
          };
          const secret = randomBytes(32);
          await held(transport, ak(transport), (key) =>
            held(transport, createPrimary(transport, RH.ENDORSEMENT, templates[kind]), (ek) =>
              held(transport, startSession(transport, 'policy', ek), async (session) => {
                await policySecret(transport, session, RH.ENDORSEMENT);
                const credential = makeCredential(readKey(ek.publicArea), key.name, secret);
                // H-3 keys are used with their (empty) password; their policy has another branch.
                const open = kind === 'ekP384' ? {} : { session };
                t.same(await activateCredential(transport, key, ek, open, credential), secret);
              }),
            ),
          );
          if (kind !== 'ekP384')
            t.notOk(
              seen.some((bytes) => bytes.includes(secret)),
              'it was never on the bus',
            );
        });
      },
    );

  t.test('a credential for another key is refused', async (t) => {
    await tpm.use((transport) =>
      held(transport, ak(transport), (key) =>
        held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.ekP256), (ek) =>
          held(transport, startSession(transport, 'policy', ek), async (session) => {
            await policySecret(transport, session, RH.ENDORSEMENT);
            const other = makeCredential(readKey(ek.publicArea), ek.name, randomBytes(32));
            await t.rejects(activateCredential(transport, key, ek, { session }, other), TpmError);
          }),
        ),
      ),
    );
  });

  t.test('a counter goes up, is certified, and does not go back when it is made anew', async (t) => {
    const index = 0x0181c0d1;
    await tpm.use((transport) =>
      held(transport, ak(transport), async (key) => {
        await defineCounter(transport, index);
        await incrementNv(transport, index);
        const first = (await readNv(transport, await readNvIndex(transport, index))).readBigUInt64BE();
        await incrementNv(transport, index);
        const nv = await readNvIndex(transport, index);
        const { attest, signature } = await certifyNv(transport, key, nv, Buffer.from('n'));
        t.ok(signedBy(readKey(key.publicArea), attest, readSignature(signature)));
        const facts = readAttest(attest);
        if (facts.type !== 'nv') return t.fail(facts.type);
        t.equal(facts.contents.readBigUInt64BE(), first + 1n);
        t.same(facts.index, nv.name);
        await undefineNv(transport, index);
        await defineCounter(transport, index);
        await t.rejects(certifyNv(transport, key, await readNvIndex(transport, index), Buffer.from('n')));
        await incrementNv(transport, index);
        const again = (await readNv(transport, await readNvIndex(transport, index))).readBigUInt64BE();
        t.ok(again > first + 1n, `${again} after ${first + 1n}`);
        return undefined;
      }),
    );
  });

  t.test('data sealed to PCRs come back while these are as they were, concealed from the bus', async (t) => {
    const pcrs = [7, 16];
    const secret = randomBytes(32);
    const seen: Buffer[] = [];
    await tpm.use(async (plain) => {
      const transport: Transport = {
        transceive: async (command) => {
          const response = await plain.transceive(command);
          seen.push(Buffer.from(command), response);
          return response;
        },
      };
      const policy = pcrPolicy(ALG.SHA256, await readPcrs(transport, sha256(pcrs)));
      await held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), async (parent) => {
        const wrapped = await held(transport, startSession(transport, 'hmac', parent), (session) =>
          create(transport, parent, templates.sealed(policy), { authorisation: { session }, data: secret }),
        );
        const open = () =>
          held(transport, load(transport, parent, wrapped), (object) =>
            held(transport, startSession(transport, 'policy', parent), async (session) => {
              await policyPcr(transport, session, sha256(pcrs));
              t.same(await policyDigest(transport, session).then((d) => d.length), 32);
              return unseal(transport, object, { session });
            }),
          );
        t.same(await open(), secret);
        t.notOk(
          seen.some((bytes) => bytes.includes(secret)),
          'it was never on the bus',
        );
        await extendPcr(transport, 16, ALG.SHA256, randomBytes(32));
        await t.rejects(open(), TpmError);
      });
    });
  });

  t.test('a response that somebody changes on the bus is found out', async (t) => {
    await tpm.use(async (plain) => {
      let lie = false;
      const transport: Transport = {
        transceive: async (command) => {
          const response = await plain.transceive(command);
          if (lie) response[20]! ^= 1;
          return response;
        },
      };
      const policy = pcrPolicy(ALG.SHA256, await readPcrs(transport, sha256([0])));
      await held(transport, createPrimary(transport, RH.OWNER, templates.storageP256), (parent) =>
        held(transport, startSession(transport, 'hmac', parent), async (session) => {
          lie = true;
          const work = create(transport, parent, templates.sealed(policy), {
            authorisation: { session },
            data: Buffer.from('x'),
          });
          await t.rejects(work, /changed on its way/);
          lie = false;
        }),
      );
    });
  });

  t.test('nothing is left in the TPM, after success and after failure', async (t) => {
    t.equal(await leftovers(swtpm), 0);
  });
});
