// Whether PCRs count as unchanged. A mock stands for the TPM: a real one cannot be made to answer with fewer registers.
import t from 'tap';
import { PcrWatch, pcrTexts } from '../../daemon/control/pcr-watch.ts';

const values = (...texts: readonly string[]): Map<number, Buffer> =>
  new Map(texts.map((text, pcr) => [pcr, Buffer.from(text)]));
const watching = (answer: () => Promise<Map<number, Buffer>>): PcrWatch => new PcrWatch({ pcrs: answer });

t.test('only the same registers with the same values are unchanged', async (t) => {
  const after = (now: Map<number, Buffer>): Promise<string | undefined> => {
    const watch = watching(() => Promise.resolve(now));
    watch.expect(pcrTexts(values('a', 'b')));
    return watch.changed();
  };
  t.equal(await after(values('a', 'b')), undefined);
  t.equal(await after(values('a', 'c')), 'PCR 1 changed since the machine was attested');
  t.equal(await after(values('a')), 'PCR 1 changed since the machine was attested', 'one is missing');
  t.equal(await after(values('a', 'b', 'c')), 'PCR 2 changed since the machine was attested', 'one more');
  t.equal(await after(new Map()), 'PCR 0, 1 changed since the machine was attested', 'nothing was read');
});

t.test('nothing expected and a TPM that does not answer prove nothing', async (t) => {
  t.match(await watching(() => Promise.resolve(values('a'))).changed(), /nobody knows/);
  const silent = watching(() => Promise.reject(new Error('no answer')));
  silent.expect(pcrTexts(values('a')));
  t.match(await silent.changed(), /could not be asked .* no answer/);
});

t.test('IMA’s register is quoted with the others, and may change without a word', async (t) => {
  const quoted = new Map([...values('a', 'b'), [10, Buffer.from('programs until then')] as const]);
  const after = (now: Map<number, Buffer>): Promise<string | undefined> => {
    const watch = watching(() => Promise.resolve(now));
    watch.expect(pcrTexts(quoted));
    return watch.changed();
  };
  t.equal(await after(values('a', 'b')), undefined, 'it is not among the configured ones');
  t.equal(await after(new Map([...values('a', 'b'), [10, Buffer.from('one more')]])), undefined);
  t.equal(await after(values('a', 'c')), 'PCR 1 changed since the machine was attested');
});
