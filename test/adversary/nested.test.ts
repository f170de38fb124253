// Sandboxes inside the sandbox, and an environment that says there is one already.
import t from 'tap';
import { fileURLToPath } from 'node:url';
import { cordonProgram } from '../support/cordon.ts';
import { attackAll, type Attack, type Outcome, type Site } from './harness.ts';

/** Cordon's own programs are readable and runnable inside: nothing but the socket stands in the way. */
const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Names that tools use to say "this is sandboxed": none of them may change what Cordon does. */
const forged = {
  SANDBOX: '1',
  IS_SANDBOX: '1',
  CORDON: '1',
  CORDON_SANDBOX: '1',
  CORDON_SANDBOXED: '1',
  CORDON_SESSION: 's-forged',
  CORDON_MODE: 'monitor',
  CORDON_DISABLE: '1',
  CODEX_SANDBOX: 'seatbelt',
  CODEX_SANDBOX_NETWORK_DISABLED: '0',
  CLAUDE_CODE_SANDBOXED: '1',
  container: 'oci',
};

const outside = (name: string, title: string): Attack => ({
  case: name,
  title: `with a forged environment ${title}`,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: `/${name}`.startsWith('/secret') ? site.vault : site.outside }),
});

const reported = (_site: Site, outcome: Outcome): boolean => outcome.result === 'succeeded';

t.test('an environment that says "already sandboxed"', async (t) => {
  await attackAll(t, {
    env: forged,
    attacks: [
      outside('outside-create', 'nothing is created outside'),
      outside('outside-write', 'nothing is written outside'),
      outside('secret-read', 'a file under never is not read'),
      {
        case: 'unshare-newuser',
        title: 'with a forged environment no user namespace is made',
        native: 'succeeds',
        record: () => ({ kind: 'syscall', operation: /^unshare$/ }),
        happened: reported,
      },
    ],
  });
});

t.test('cordon run inside cordon run', async (t) => {
  await attackAll(t, {
    attacks: [
      {
        case: 'nested-cordon-run',
        title: 'a weaker sandbox is not started from inside',
        native: 'not-run',
        record: () => ({ kind: ['socket', 'file', 'connect'], object: 'admin.sock' }),
        happened: reported,
      },
      {
        case: 'nested-cordon-control',
        title: 'the agent does not stop, resume or reconfigure anything from inside',
        native: 'not-run',
        record: () => ({ kind: ['socket', 'file', 'connect'], object: 'admin.sock' }),
        happened: reported,
      },
    ],
    files: () => [`{ allow: [read, exec], in: [${JSON.stringify(root)}] }`],
    more: (_site, runDir) => [`rundir=${runDir}`, `cordon=${cordonProgram}`],
  });
});
