// Bundles every process entry into dist/. Native packages stay external: they are loaded from node_modules.
import { build } from 'esbuild';
import { chmodSync, writeFileSync, rmSync, existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('../../', import.meta.url));
const out = process.env['CORDON_DIST'] ?? join(root, 'dist');

const entries: Record<string, string> = {
  cordond: 'daemon/main.ts',
  supervisor: 'daemon/session/supervisor-main.ts',
  'launch-thread': 'daemon/session/launch-thread.ts',
  'open-thread': 'daemon/session/open-thread.ts',
  'notify-thread': 'daemon/session/notify-thread.ts',
  egress: 'daemon/session/egress-main.ts',
  'doctor-probe': 'daemon/session/doctor-probe.ts',
  cordon: 'daemon/cli/main.ts',
  'agent-client': 'daemon/wire/agent-client.ts',
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, f]) => existsSync(join(root, f)))),
  outdir: out,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  splitting: false,
  sourcemap: false,
  legalComments: 'none',
  logLevel: 'warning',
  external: ['koffi', 'node-pty', 'better-sqlite3'],
  loader: { '.yaml': 'text', '.proto': 'text' },
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
  },
});

// Launchers: dist/cordon and dist/cordond run under the Node beside them.
for (const name of ['cordon', 'cordond']) {
  const script = `#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
case "$(uname -m)" in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
exec "$here/../node_modules/node-linux-$arch/bin/node" --disable-warning=ExperimentalWarning "$here/${name}.js" "$@"
`;
  writeFileSync(join(out, name), script);
  chmodSync(join(out, name), 0o755);
}
