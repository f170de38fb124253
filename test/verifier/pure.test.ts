// The verifier needs nothing of an endpoint: what it is made of is looked up in a bundle of it.
import t from 'tap';
import { build } from 'esbuild';
import { esm } from '../../daemon/scripts/bundle.ts';

t.test('the verifier is TypeScript alone: no native code, no files, no network', async (t) => {
  const { metafile } = await build({
    ...esm,
    entryPoints: ['daemon/verifier/mod.ts'],
    write: false,
    metafile: true,
    outdir: 'nowhere',
  });
  const inputs = Object.keys(metafile.inputs);
  const imported = Object.values(metafile.outputs).flatMap((output) =>
    output.imports.map(({ path }) => path),
  );
  t.ok(inputs.some((path) => path.startsWith('native-bindings/tpm/wire/')));
  t.same(
    inputs.filter(
      (path) => path.startsWith('native-bindings/') && !path.startsWith('native-bindings/tpm/wire/'),
    ),
    [],
  );
  t.same(
    imported.filter((path) => !['node:crypto', 'module', 'node:module'].includes(path)),
    [],
  );
});
