// A TPM that does not answer: what cordond does without it. The real programs of dist/, a software TPM that is stopped.
import t from 'tap';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { until } from '../support/until.ts';
import { notRoot } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;

t.test(
  'cordond serves while its TPM hangs, and has tokens when it answers',
  { skip, timeout: 170_000 },
  async (t) => {
    const swtpm = await startSwtpm(t, { certified: false });
    swtpm.signal('SIGSTOP');
    t.teardown(() => swtpm.signal('SIGCONT'));
    const cordon = await TestCordon.start({ settings: `attestation:\n  tpm: "${swtpm.name}"\n` });
    t.teardown(() => cordon.stop().then(() => undefined));
    t.equal((await cordon.cli(['kill', '--all'])).code, 0);
    t.match(await cordon.cli(['token', 'jwks']), { code: 1, stderr: /has not read its token keys yet/ });
    swtpm.signal('SIGCONT');
    await until('there are tokens', async () => (await cordon.cli(['token', 'jwks'])).code === 0);
  },
);
