// What every benchmark needs: a private cordond, the test user, a workspace in the user's home, the peers.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { notBuilt, TestCordon } from '../../support/cordon.ts';
import { notRoot, testUser, type TestUser } from '../../support/user.ts';
import { findPeers, type Peers, type Place } from './peers.ts';

export interface Stage extends Place {
  readonly cordon: TestCordon;
  readonly peers: Peers;
}

export function give(user: TestUser, path: string): void {
  const chown = spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, path], { encoding: 'utf8' });
  if (chown.status !== 0) throw new Error(chown.stderr);
}

/** Runs `work` on a stage and takes it down, whatever happens. */
export async function onStage(
  profiles: Readonly<Record<string, string>>,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const reason = notRoot() ?? notBuilt();
  if (reason !== undefined) throw new Error(reason);
  const user = testUser('bench');
  const directory = mkdtempSync(join(user.home, 'bench-'));
  const workspace = join(directory, 'ws');
  spawnSync('mkdir', [workspace]);
  const cordon = await TestCordon.start({ profiles });
  try {
    const place = { user, directory, workspace };
    give(user, directory);
    await work({ ...place, cordon, peers: findPeers(place) });
  } finally {
    for (const left of await cordon.stop()) console.log(`left behind: ${left}`);
    rmSync(directory, { recursive: true, force: true });
  }
}
