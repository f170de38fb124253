// The place an attack happens in: a workspace, and around it what must stay as it is. Everything belongs to the agent's
// user, so that nothing but Cordon stands in the way.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestUser } from '../../support/user.ts';
import type { Programs } from './build.ts';

export interface Site {
  readonly user: TestUser;
  readonly base: string;
  readonly ws: string;
  readonly outside: string;
  readonly vault: string;
  /** What `never` files hold; it must come out nowhere. */
  readonly canary: string;
  /** Names processes and sockets of this site. */
  readonly token: string;
  readonly probe: string;
}

const directories = ['ws', 'outside', 'vault', 'vaultfoo', 'wsfoo', 'bin'] as const;
/** Those with a directory for every case. */
const perCase = ['ws', 'outside', 'vaultfoo', 'wsfoo'] as const;

/** Gives everything below `path` to the user. */
export function giveTo(user: TestUser, path: string): void {
  const chown = spawnSync('chown', ['-hR', `${user.uid}:${user.gid}`, path], { encoding: 'utf8' });
  if (chown.status !== 0) throw new Error(`chown ${path}: ${chown.stderr}`);
}

function layOut(site: Site, name: string): void {
  for (const directory of perCase) mkdirSync(join(site.base, directory, name));
  writeFileSync(join(site.outside, name, 'victim'), 'UNTOUCHED');
  mkdirSync(join(site.outside, name, 'directory'));
  writeFileSync(join(site.vault, `${name}.id_rsa`), site.canary, { mode: 0o600 });
  writeFileSync(join(site.vault, 'deep/er', `${name}.id_rsa`), site.canary, { mode: 0o600 });
  writeFileSync(join(site.base, 'vaultfoo', name, 'notes'), 'CANARY-public');
  writeFileSync(join(site.base, 'wsfoo', name, 'victim'), 'UNTOUCHED');
}

function installPrograms(site: Site, programs: Programs): void {
  const places = [
    site.probe,
    ...['forbidden', 'forbidder', 'echoes'].map((name) => join(site.base, 'bin', name)),
  ];
  for (const place of places) {
    copyFileSync(programs.probe, place);
    chmodSync(place, 0o755);
  }
}

export function makeSite(user: TestUser, programs: Programs, cases: readonly string[]): Site {
  const base = mkdtempSync(join(user.home, 'adv-'));
  const token = randomBytes(6).toString('hex');
  const [ws, outside, vault] = [join(base, 'ws'), join(base, 'outside'), join(base, 'vault')];
  const site = { user, base, ws, outside, vault, token, canary: `CANARY-${token}`, probe: join(ws, 'probe') };
  for (const directory of directories) mkdirSync(join(base, directory));
  mkdirSync(join(vault, 'deep/er'), { recursive: true });
  for (const name of cases) layOut(site, name);
  installPrograms(site, programs);
  return site;
}

export function removeSite(site: Site): void {
  rmSync(site.base, { recursive: true, force: true });
}

function describe(path: string): string {
  const about = lstatSync(path, { bigint: true });
  const facts = [
    about.ino,
    about.mode,
    about.uid,
    about.gid,
    about.nlink,
    about.size,
    about.mtimeNs,
    about.ctimeNs,
  ];
  return `${path} ${facts.join(' ')} ${about.isFile() ? readFileSync(path, 'latin1') : ''}`;
}

function tree(root: string): string[] {
  if (!existsSync(root)) return [`${root} is gone`];
  if (!statSync(root).isDirectory()) return [describe(root)];
  const below = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((entry) => join(root, entry));
  return [root, ...below.sort()].map(describe);
}

/** Every fact about what lies around the workspace for one case. Two equal pictures: nothing happened in between. */
export function picture(site: Site, name: string): string {
  const roots = ['outside', 'vaultfoo', 'wsfoo'].map((directory) => join(site.base, directory, name));
  return [...roots, join(site.vault, `${name}.id_rsa`)].flatMap(tree).join('\n');
}

/** The arguments that tell the probe where everything is. */
export function siteArguments(site: Site): string[] {
  const facts = {
    base: site.base,
    ws: site.ws,
    outside: site.outside,
    vault: site.vault,
    vaultfoo: join(site.base, 'vaultfoo'),
    wsfoo: join(site.base, 'wsfoo'),
    home: site.user.home,
    forbidden: join(site.base, 'bin', 'forbidden'),
    token: site.token,
  };
  return Object.entries(facts).map(([key, value]) => `${key}=${value}`);
}
