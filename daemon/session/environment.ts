// The agent's environment: what the profile passes of the caller's, what it sets, and nothing else.
import { toBytes } from '../model/mod.ts';

const ALWAYS = ['TERM', 'COLORTERM', 'LANG', 'TZ'];

export interface EnvironmentPlan {
  readonly pass: readonly string[];
  readonly set: Readonly<Record<string, string>>;
}
export interface Identity {
  readonly user: string;
  /** Byte path. */
  readonly home: string;
  readonly uid: number;
}

/** `entries` are NAME=value, and like the result one char a byte. Names in `pass` may end with `*`. Later entries of `set` win; identity is never the caller's to say. */
export function buildEnvironment(
  plan: EnvironmentPlan,
  entries: readonly string[],
  identity: Identity,
): Record<string, string> {
  const environment: Record<string, string> = {};
  const user = toBytes(identity.user);
  const passed = [...ALWAYS, ...plan.pass].map(toBytes);
  const wanted = (name: string): boolean =>
    passed.some((p) => (p.endsWith('*') ? name.startsWith(p.slice(0, -1)) : p === name));
  for (const entry of entries) {
    const cut = entry.indexOf('=');
    if (cut <= 0) continue;
    const name = entry.slice(0, cut);
    if (wanted(name)) environment[name] = entry.slice(cut + 1);
  }
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ...environment,
    ...Object.fromEntries(Object.entries(plan.set).map(([name, value]) => [toBytes(name), toBytes(value)])),
    HOME: identity.home,
    USER: user,
    LOGNAME: user,
    SHELL: '/bin/sh',
    TMPDIR: '/tmp',
    XDG_RUNTIME_DIR: `/run/user/${identity.uid}`,
  };
}
