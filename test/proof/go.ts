// Builds and asks the verifier written in Go (verify.go).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { temporaryDirectory } from '../support/temporary.ts';

export type GoRequest = { readonly kind: string } & Readonly<Record<string, unknown>>;

/** Debian's golang-golang-x-mod-dev is below here. */
const environment = { GOPATH: '/usr/share/gocode', GO111MODULE: 'off', GOFLAGS: '', CGO_ENABLED: '0' };

/** Undefined when there is no Go or no x/mod on this machine. */
export function goVerifier(
  t: Pick<Test, 'teardown'>,
): ((requests: readonly GoRequest[]) => string[]) | undefined {
  const program = join(temporaryDirectory(t), 'verify');
  const source = fileURLToPath(new URL('./verify.go', import.meta.url));
  const built = spawnSync('go', ['build', '-o', program, source], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  if (built.error !== undefined || /cannot find package/.test(built.stderr)) return undefined;
  if (built.status !== 0) throw new Error(built.stderr);
  return (requests) => {
    const input = requests.map((request) => `${JSON.stringify(request)}\n`).join('');
    const { stdout } = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 1 << 26 });
    return stdout.trimEnd().split('\n');
  };
}
