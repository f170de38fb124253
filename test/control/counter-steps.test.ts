// The TPM's counter follows the record's checkpoints, quotes or not. The TPM is real (emulated).
import t from 'tap';
import { CounterSteps } from '../../daemon/control/counter-steps.ts';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { defineCounter, incrementNv, undefineNv } from '../../native-bindings/tpm/mod.ts';
import { attested, daemonFacts, failures } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { until } from '../support/until.ts';

const skip = noSwtpm ?? false;
const sized = (size: number) => ({ ...daemonFacts, audit: { ...daemonFacts.audit, size } });

t.test('the counter is stepped once a checkpoint', { skip }, async (t) => {
  const machine = await attested(t);
  const { attester, store } = machine;
  const notes: NewRecord[] = [];
  const steps = new CounterSteps({ attester, note: (record) => void notes.push(record), interval: 0 });
  t.teardown(() => steps.stop());
  const stepped = async (size: number): Promise<number> => {
    machine.facts = sized(size);
    steps.due();
    await until('the counter follows', () => attester.tally.size === size);
    return attester.tally.counter;
  };

  steps.due();
  t.equal(attester.tally.counter, 0, 'a machine that proves nothing to anybody wears nothing');
  const { memory } = machine.verify(await machine.quote());
  const first = attester.tally.counter;
  for (let i = 0; i < 5; i++) steps.due();
  t.equal(await stepped(11), first + 1, 'several at once share a step');
  t.equal(await stepped(12), first + 2);
  t.same(failures(machine.verify(await machine.quote(), {}, memory)), [], 'the verifier follows');
  t.equal(attester.tally.counter, first + 2, 'a quote of what is checkpointed already steps nothing');

  const before = new Map(store.kept);
  await stepped(20);
  await stepped(30);
  t.same(notes, []);
  for (const [name, value] of before) store.write(name, value);
  await stepped(13);
  t.match(notes, [{ kind: 'finding', operation: 'counter-ahead', detail: { ahead: 2 } }]);
  t.same(failures(machine.verify(await machine.quote())), ['audit'], 'by a verifier that remembers nothing');
});

t.test(
  'a counter that was deleted and made anew is on record with the next checkpoint',
  { skip },
  async (t) => {
    const machine = await attested(t);
    const { attester } = machine;
    const notes: NewRecord[] = [];
    const steps = new CounterSteps({ attester, note: (record) => void notes.push(record), interval: 0 });
    t.teardown(() => steps.stop());
    await machine.quote();
    const tpm = machine.swtpm.open();
    await tpm.use(async (transport) => {
      await undefineNv(transport, 0x0181c0d0);
      await defineCounter(transport, 0x0181c0d0);
      await incrementNv(transport, 0x0181c0d0);
    });
    machine.facts = sized(50);
    steps.due();
    await until('it is on record', () => notes.length > 0);
    t.match(notes, [{ operation: 'counter-ahead' }]);
    t.same(failures(machine.verify(await machine.quote())), ['audit']);
  },
);
