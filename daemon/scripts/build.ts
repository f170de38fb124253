// Bundles every process entry into dist/. Native packages stay external: they are loaded from node_modules.
import { build } from 'esbuild';
import { chmodSync, writeFileSync, rmSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bundleCli, esm, root } from './bundle.ts';

const out = process.env['CORDON_DIST'] ?? join(root, 'dist');

const entries: Record<string, string> = {
  cordond: 'daemon/main.ts',
  supervisor: 'daemon/session/supervisor-main.ts',
  'launch-thread': 'daemon/session/launch-thread.ts',
  'open-thread': 'daemon/session/open-thread.ts',
  'notify-thread': 'daemon/session/notify-thread.ts',
  egress: 'daemon/session/egress-main.ts',
  'audit-verify': 'daemon/audit/verify/main.ts',
  'audit-verify-thread': 'daemon/audit/verify/thread.ts',
  'audit-intake-thread': 'daemon/audit/intake-thread.ts',
  uploader: 'daemon/control/uploader-main.ts',
  'doctor-probe': 'daemon/session/doctor-probe.ts',
  'tpm-transport': 'native-bindings/tpm/transport/transport-main.ts',
  'agent-client': 'daemon/wire/agent-client.ts',
  'token-verifier': 'daemon/tokens/token-verifier.ts',
  verifier: 'daemon/verifier/mod.ts',
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  ...esm,
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, f]) => existsSync(join(root, f)))),
  outdir: out,
});

await bundleCli(out);

// Launchers: dist/cordon and dist/cordond run under the Node beside them. On the path of every launch: nothing is
// forked unless the launcher was called through a symbolic link.
// The daemon lives long and holds little: a small young generation, one malloc arena. With --optimize-for-size it takes records in a
// third slower, and is no smaller.
const small = '--max-semi-space-size=4 --expose-gc ';
for (const [name, script, environment, flags] of [
  ['cordon', 'cordon.cjs', '', ''],
  ['cordond', 'cordond.js', 'export MALLOC_ARENA_MAX=1\n', small],
] as const) {
  const launcher = `#!/bin/sh
${environment}self=$0
[ -h "$self" ] && self=$(readlink -f -- "$self")
here=\${self%/*}
[ "$here" = "$self" ] && here=.
for node in "$here"/../node_modules/node-linux-*/bin/node; do
  [ -x "$node" ] && exec "$node" ${flags}--disable-warning=ExperimentalWarning "$here/${script}" "$@"
done
echo "cordon: there is no Node 24 beside $here; run: npm run setup" >&2
exit 125
`;
  writeFileSync(join(out, name), launcher);
  chmodSync(join(out, name), 0o755);
}
