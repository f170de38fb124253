// What the survival tests stand on: a user, a workspace, a file beside it that no rule grants, and a small profile.
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Test } from 'tap';
import { notBuilt, TestCordon, type RunOptions } from '../../support/cordon.ts';
import { SandboxShell } from '../../support/sandbox-shell.ts';
import { testUser, type TestUser } from '../../support/user.ts';

export interface Ground {
  readonly user: TestUser;
  readonly cordon: TestCordon;
  readonly workspace: string;
  /** Readable for the user, granted by no rule: only the decision keeps it from the agent. */
  readonly privateFile: string;
  readonly canary: string;
  readonly how: RunOptions;
  shell(options?: Partial<RunOptions>): Promise<SandboxShell>;
}

export interface GroundOptions {
  readonly network?: readonly string[];
  readonly limits?: string;
  readonly stateDir?: string;
}

const profileText = ({
  network = [],
  limits = 'processes: 128, memory: 1GiB',
}: GroundOptions): string => `cordon: 1
name: survive
version: 1
extends: [base-linux]
files:
  - { allow: [read, write, exec], in: ["\${workspace}", "\${tmp}"] }
exec:
  - { allow: ["**"] }
network: [${network.map((host) => `{ allow: "${host}" }`).join(', ')}]
limits: { ${limits} }
`;

export const skipReason = (): string | false => notBuilt() ?? false;

function own(user: TestUser, path: string): string {
  chownSync(path, user.uid, user.gid);
  return path;
}

export async function prepare(t: Test, suffix: string, options: GroundOptions = {}): Promise<Ground> {
  const user = testUser(suffix);
  const workspace = own(user, mkdtempSync(join(user.home, 'work-')));
  const canary = `CANARY-${randomUUID()}`;
  const privateFile = `${workspace}.private`;
  writeFileSync(privateFile, `${canary}\n`, { mode: 0o600 });
  own(user, privateFile);
  const { stateDir } = options;
  const profiles = { survive: profileText(options) };
  const cordon = await TestCordon.start({ profiles, ...(stateDir === undefined ? {} : { stateDir }) });
  const how: RunOptions = { user, workspace, profile: 'survive' };
  t.teardown(async () => {
    const left = await cordon.stop();
    rmSync(workspace, { recursive: true, force: true });
    rmSync(privateFile, { force: true });
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  });
  return {
    user,
    cordon,
    workspace,
    privateFile,
    canary,
    how,
    shell: async (more = {}) => {
      const shell = await SandboxShell.start(cordon, { ...how, ...more });
      t.teardown(() => shell.hangUp());
      return shell;
    },
  };
}
