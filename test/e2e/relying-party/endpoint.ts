// The endpoint that a relying party judges: cordond of dist/ with a software TPM, and a session whose agent asks for tokens
// over its socket, from inside.
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { TestCordon } from '../../support/cordon.ts';
import { startSwtpm, type Swtpm } from '../../support/swtpm.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { until } from '../../support/until.ts';
import { testUser } from '../../support/user.ts';

const root = realpathSync(fileURLToPath(new URL('../../../', import.meta.url)));
const agent = join(root, 'test/support/token-agent.ts');
export const dist = join(root, 'dist');
export const audience = 'https://api.example';
/** What token-agent.ts makes its proofs for. */
export const request = { method: 'POST', url: `${audience}/v1/x` };

export interface Minted {
  readonly token: string;
  readonly dpop: string;
}

export interface Endpoint {
  readonly cordon: TestCordon;
  readonly swtpm: Swtpm;
  readonly session: string;
  /** As the agent in the session gets it, with a proof of this moment. */
  mint(): Promise<Minted>;
  /** The files of a quote over this nonce, in a directory of their own. */
  quote(nonce: string): Promise<string>;
  /** Adds rules to the session's profile, and waits until they are in force. */
  loosen(rules: string): Promise<void>;
}

const profile = (version: number, rules = ''): string => `cordon: 1
name: delegate
version: ${version}
extends: [base-linux]
files:
  - { allow: [read, exec], in: [${JSON.stringify(root)}] }
${rules}tokens: { audiences: ['${audience}'], tools: [search] }
`;

export async function startEndpoint(t: Test): Promise<Endpoint> {
  const swtpm = await startSwtpm(t);
  const settings = `attestation:\n  tpm: "${swtpm.name}"\n`;
  const cordon = await TestCordon.start({ settings, profiles: { delegate: profile(1) } });
  t.teardown(() => cordon.stop().then(() => undefined));
  const user = testUser('party');
  const workspace = mkdtempSync(join(user.home, 'party-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);

  const wish = { audience, details: [{ type: 'tool.call', tool: 'search' }], lifetime: 900, uses: 5 };
  const steps = Array.from({ length: 20 }, () => [{ token: wish }, { wait: true }]).flat();
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', agent, '/run/cordon/agent.sock'];
  const child = cordon.spawn([...node, JSON.stringify(steps)], { user, workspace, profile: 'delegate' });
  let wrong = '';
  child.stderr?.on('data', (chunk: Buffer) => (wrong += chunk.toString()));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the session ended: ${wrong}`)));
  ended.catch(() => undefined);
  let waits = false;
  const mint = async (): Promise<Minted> => {
    if (waits) {
      child.stdin?.write('\n');
      await Promise.race([lines.next(), ended]);
    }
    const line = await Promise.race([lines.next(), ended]);
    waits = true;
    return JSON.parse(String(line.value)) as Minted;
  };
  const { session } = await until('the session runs', async () => {
    const one = await cordon.sessionIn(workspace);
    return one.state === 'running' && one.initPid > 0 ? one : undefined;
  });
  return {
    cordon,
    swtpm,
    session,
    mint,
    quote: async (nonce) => {
      const directory = join(temporaryDirectory(t), 'quote');
      const { code, stderr } = await cordon.cli(['attest', 'quote', '--nonce', nonce, '--out', directory]);
      if (code !== 0) throw new Error(stderr);
      return directory;
    },
    loosen: async (rules) => {
      cordon.writeProfile('delegate', profile(2, rules));
      process.kill(cordon.daemonPid, 'SIGHUP');
      await until('the session has the new policy', async () =>
        (await cordon.records(session)).some(({ operation }) => operation === 'policy'),
      );
    },
  };
}
