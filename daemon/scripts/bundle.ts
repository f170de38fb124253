// How the programs are bundled: shared by the build and by the tests that run the CLI.
import { build, type BuildOptions } from 'esbuild';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

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
export const esm: BuildOptions = {
  ...common,
  format: 'esm',
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
  },
};

/**
 * `cordon.cjs` is all that `cordon run` loads (CommonJS starts faster than a module); every other verb is in `verbs/`,
 * one chunk each.
 */
export async function bundleCli(out: string): Promise<void> {
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
}
