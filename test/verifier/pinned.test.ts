// A machine whose key the administrator trusts by its Name, without an enrolment: what the service knows of it.
import t from 'tap';
import { join } from 'node:path';
import { evidenceText } from '../../daemon/evidence/mod.ts';
import { noExpectations } from '../../daemon/verifier/mod.ts';
import type { Check } from '../../daemon/verifier/mod.ts';
import { openStore, serveRequest } from '../../daemon/verifier-service/mod.ts';
import type { ServiceParts } from '../../daemon/verifier-service/mod.ts';
import { attested, daemonFacts, verifierKey } from '../support/attested.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

t.test('a machine that is trusted by its key’s Name', { skip: noSwtpm ?? false }, async (t) => {
  const machine = await attested(t);
  const { ak } = machine.enrolled;
  const store = openStore(join(temporaryDirectory(t), 'verifier.db'));
  t.teardown(() => store.close());
  const parts: ServiceParts = {
    ...{ store, key: verifierKey(), anchors: machine.anchors, lifetime: 900, now: () => Date.now() },
    expectations: { ...noExpectations, allowSoftware: true, pinned: new Map([[ak, 'software']]) },
  };
  const post = async (path: string, body: object): Promise<unknown> =>
    JSON.parse((await serveRequest(parts, 'POST', path, JSON.stringify(body))).body);
  /** Names of the checks that failed. */
  const failed = async (): Promise<string[]> => {
    const { nonce } = (await post('/v1/nonce', {})) as { nonce: string };
    const evidence = evidenceText(await machine.attester.quote(nonce));
    const { checks } = (await post('/v1/verify', { nonce, evidence })) as { checks: Check[] };
    return checks.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name);
  };

  t.test('is remembered: nothing of it may go back', async (t) => {
    const { audit } = daemonFacts;
    machine.facts = { ...daemonFacts, killEpoch: 5, audit: { ...audit, size: 20 } };
    t.same(await failed(), []);
    machine.facts = daemonFacts;
    t.same(await failed(), ['audit', 'kill-epoch']);
    machine.facts = { ...daemonFacts, killEpoch: 5, audit: { ...audit, size: 21 } };
    t.same(await failed(), []);
  });

  t.test('is refused once it is no longer wanted', async (t) => {
    store.book.block(ak, true, 'sold', Date.now());
    t.same(await failed(), ['enrolment']);
    store.book.block(ak, false, '', Date.now());
    t.same(await failed(), []);
  });
});
