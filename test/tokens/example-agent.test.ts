// The two examples of TOKENS.md meet: the agent's runs in a session, the backend's outside. The real programs of dist/.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot, testUser } from '../support/user.ts';
import { changedExample, exampleText, startExample } from './example.ts';

const skip = notRoot() ?? notBuilt() ?? false;
const root = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));
const dist = join(root, 'dist');

const profile = (port: number, more: string): string => `cordon: 1
name: example
version: 1
extends: [base-linux]
files:
  - { allow: [read, exec], in: [${JSON.stringify(root)}] }
  - { allow: [read, write, exec], in: ["\${workspace}"] }
network:
  - { allow: "127.0.0.1:${port}" }
${more}`;

t.test(
  'the example of an agent in TOKENS.md does what it says, in a session',
  { skip, timeout: 170_000 },
  async (t) => {
    t.ok(exampleText('agent').trim().split('\n').length <= 24, 'some twenty lines');
    const cordon = await TestCordon.start({});
    t.teardown(() => cordon.stop().then(() => undefined));
    const user = testUser('example');
    const workspace = mkdtempSync(join(user.home, 'example-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    const { issuer } = await cordon.json<{ issuer: string }>(['token', 'jwks']);
    const published = join(cordon.runDir, 'tokens');
    const audience = 'https://api.example';
    const library = join(dist, 'token-verifier.js');
    const port = await startExample(t, temporaryDirectory(t), { library, published, issuer, audience });
    const file = join(workspace, 'agent.mjs');
    const changes: readonly (readonly [string, string])[] = [
      ["'cordon/agent'", JSON.stringify(join(dist, 'agent-client.js'))],
      ["host: 'api.example', port: 443", `host: '127.0.0.1', port: ${port}`],
      ['https://api.example/v1/messages', `http://127.0.0.1:${port}/v1/messages`],
    ];
    writeFileSync(file, changedExample(t, exampleText('agent'), changes));
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
    const run = async (grants: string, reachable = port): Promise<string> => {
      cordon.writeProfile('example', profile(reachable, grants));
      const ran = await cordon.run([process.execPath, file], { user, workspace, profile: 'example' });
      t.equal(ran.code, 0, { stderr: ran.stderr });
      return ran.stdout;
    };

    t.test(
      'with a grant it is let in, for what it asked, by its own key, and makes a lesser token',
      async (t) => {
        const said = await run(`tokens: { audiences: ['${audience}'] }\n`);
        t.match(said, new RegExp(`^200 hello, \\S+ of ${user.name}\nuntil \\d{4}-`));
        const { tokens } = await cordon.json<{ tokens: { purpose: string; uses: number; parent: string }[] }>(
          ['token', 'list', '--all'],
        );
        t.match(
          tokens.toSorted((a, b) => b.uses - a.uses),
          [
            { purpose: 'triage of issue 17', uses: 20, parent: '' },
            { purpose: 'triage of issue 17', uses: 1, parent: /./ },
          ],
        );
      },
    );

    t.test('without one it is told in words what is missing', async (t) => {
      t.match(await run(''), /grants no tokens/);
    });

    t.test('and so is one whose session may not itself do what it asks for', async (t) => {
      const said = await run(`tokens: { audiences: ['${audience}'] }\n`, port === 1 ? 2 : port - 1);
      t.match(said, /session itself may not do this: 127\.0\.0\.1:\d+/);
    });
  },
);
