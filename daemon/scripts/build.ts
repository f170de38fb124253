// Bundles every process entry into dist/. Native packages stay external: they are loaded from node_modules.
import { build, type BuildOptions } from 'esbuild';
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
  'agent-client': 'daemon/wire/agent-client.ts',
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  sourcemap: false,
  legalComments: 'none',
  logLevel: 'warning',
  external: ['koffi', 'node-pty', 'better-sqlite3'],
  loader: { '.yaml': 'text', '.proto': 'text' },
};
const esm: BuildOptions = {
  ...common,
  format: 'esm',
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
  },
};

await build({
  ...esm,
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, f]) => existsSync(join(root, f)))),
  outdir: out,
});

// The CLI: `cordon.cjs` is all that `cordon run` loads (CommonJS starts faster than a module); every other verb is in
// `verbs/`, one chunk each.
await build({
  ...esm,
  entryPoints: { program: 'daemon/cli/program.ts' },
  outdir: join(out, 'verbs'),
  splitting: true,
});
await build({
  ...common,
  format: 'cjs',
  entryPoints: ['daemon/cli/main.ts'],
  outfile: join(out, 'cordon.cjs'),
  minify: true,
  plugins: [
    {
      name: 'verbs-apart',
      setup: (bundler) => {
        bundler.onResolve({ filter: /\/program\.ts$/ }, () => ({
          path: './verbs/program.js',
          external: true,
        }));
      },
    },
  ],
});

// Launchers: dist/cordon and dist/cordond run under the Node beside them. On the path of every launch: nothing is
// forked unless the launcher was called through a symbolic link.
// The daemon lives long and holds little: small young generation, one malloc arena.
const small = '--max-semi-space-size=1 --optimize-for-size --expose-gc ';
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
