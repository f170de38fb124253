// What a quote leaves behind in the TPM, and what it finds there.
import t from 'tap';
import { defineCounter, handlesFrom } from '../../native-bindings/tpm/mod.ts';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import { CC } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, failures } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;

/** Commands that the TPM is asked for; one of `broken` fails on its way there. */
function watched(tpm: Tpm, codes: number[], broken: Set<number>): Tpm {
  return {
    ...tpm,
    pid: tpm.pid,
    use: (work) =>
      tpm.use((transport) =>
        work({
          transceive: (command) => {
            const code = Buffer.from(command).readUInt32BE(6);
            codes.push(code);
            // TPM_RC_FAILURE
            return broken.has(code)
              ? Promise.resolve(Buffer.from('80010000000a00000101', 'hex'))
              : transport.transceive(command);
          },
        }),
      ),
  };
}

t.test('quotes', { skip }, async (t) => {
  const codes: number[] = [];
  const broken = new Set<number>();
  let bare: Tpm | undefined;
  const machine = await attested(t, (tpm) => {
    bare = tpm;
    return { tpm: watched(tpm, codes, broken) };
  });
  const left = async (): Promise<number> => {
    const loaded = await bare?.use((transport) => handlesFrom(transport, 0x80000000));
    return loaded?.length ?? -1;
  };

  t.test('one after the other make no key anew, are each of its own nonce, and leave nothing', async (t) => {
    const first = await machine.quote();
    codes.length = 0;
    const second = await machine.quote();
    t.notOk(codes.includes(CC.CreatePrimary));
    t.same(failures(machine.verify(first)), []);
    t.same(failures(machine.verify(second)), []);
    t.ok(failures(machine.verify({ ...second, nonce: first.nonce })).length > 0);
    t.equal(await left(), 0);
  });

  for (const code of ['Quote', 'NV_Certify', 'PCR_Read', 'NV_Read', 'ContextLoad', 'NV_ReadPublic'] as const)
    t.test(`whose ${code} fails are none, and leave nothing`, async (t) => {
      broken.add(CC[code]);
      const quoting = machine.quote();
      await (code === 'ContextLoad' ? quoting : t.rejects(quoting, { code: 'unavailable' }));
      broken.clear();
      t.equal(await left(), 0);
      t.same(failures(machine.verify(await machine.quote())), []);
    });

  t.test('of a TPM that was started anew are good', async (t) => {
    await machine.swtpm.restart();
    t.same(failures(machine.verify(await machine.quote())), []);
    t.equal(await left(), 0);
  });
});

t.test(
  'a counter that was made and never stepped, since its daemon died between, is stepped',
  { skip },
  async (t) => {
    const machine = await attested(t, (tpm) => ({
      tpm: { ...tpm, pid: tpm.pid, use: (work) => made(tpm).then(() => tpm.use(work)) },
    }));
    t.same(failures(machine.verify(await machine.quote())), []);
  },
);

const defined = new WeakSet<Tpm>();
async function made(tpm: Tpm): Promise<void> {
  if (defined.has(tpm)) return;
  defined.add(tpm);
  await tpm.use((transport) => defineCounter(transport, 0x0181c0d0));
}
