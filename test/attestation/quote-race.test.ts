// Values of PCRs and the quote of them are two commands: something may be measured between.
import t from 'tap';
import { extendPcr } from '../../native-bindings/tpm/mod.ts';
import type { Tpm, Transport } from '../../native-bindings/tpm/mod.ts';
import { ALG, CC } from '../../native-bindings/tpm/wire/mod.ts';
import { attested, failures } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';

const skip = noSwtpm ?? false;

/** PCR 9 is extended before each of the next `times` quotes, after its values were read. */
function measuring(tpm: Tpm, left: { times: number }): Tpm {
  const between = (transport: Transport): Transport => ({
    transceive: async (command) => {
      const code = Buffer.from(command).readUInt32BE(6);
      if (code === CC.Quote && left.times > 0) {
        left.times -= 1;
        await extendPcr(transport, 9, ALG.SHA256, Buffer.alloc(32, left.times));
      }
      return transport.transceive(command);
    },
  });
  return { ...tpm, pid: tpm.pid, use: (work) => tpm.use((transport) => work(between(transport))) };
}

t.test('a measurement between values and quote', { skip }, async (t) => {
  const left = { times: 0 };
  const machine = await attested(t, (tpm) => ({ tpm: measuring(tpm, left) }));

  t.test('is noticed: both are taken again until they agree', async (t) => {
    left.times = 3;
    const quoted = await machine.quote();
    t.equal(left.times, 0);
    t.same(failures(machine.verify(quoted)), []);
  });

  t.test('again and again is said, and nothing is quoted', async (t) => {
    left.times = Infinity;
    await t.rejects(machine.quote(), {
      code: 'unavailable',
      message: /PCRs changed during each of 8 quotes/,
      facts: { fix: /calmer/ },
    });
    left.times = 0;
    t.same(failures(machine.verify(await machine.quote())), []);
  });
});
