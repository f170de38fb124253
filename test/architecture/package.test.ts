// What `npm pack` makes is what another project gets: programs, profiles and libraries with their types, and no sources.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { temporaryDirectory } from '../support/temporary.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const skip = existsSync(join(root, 'dist/cordon')) ? false : 'dist/ is not built: npm run build';
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const node = (cwd: string, ...args: readonly string[]): string =>
  execFileSync(process.execPath, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

function packedFiles(): readonly string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [packed] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' })) as Packed[];
  return packed?.files.map(({ path }) => path) ?? [];
}

/** A project of somebody else's, with the packed files where npm puts them. */
function foreignProject(t: Parameters<typeof temporaryDirectory>[0], files: readonly string[]): string {
  const project = temporaryDirectory(t);
  const installed = join(project, 'node_modules/cordon');
  mkdirSync(installed, { recursive: true });
  for (const file of files) cpSync(join(root, file), join(installed, file));
  node(root, tsc, '-p', '.config/tsconfig.types.json', '--outDir', join(installed, 'dist/types'));
  for (const name of ['@types', 'jose'])
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  return project;
}

const use = `
import { connectAgent, agentSocketPath } from 'cordon/agent';
import { createTokenVerifier, TokenRefused, memoryReplay } from 'cordon/token-verifier';
import { verifyEvidence } from 'cordon/verifier';
const verifier = createTokenVerifier({
  jwks: () => Promise.resolve({ keys: [] }),
  issuer: 'urn:uuid:00000000-0000-0000-0000-000000000000',
  audience: 'https://api.example',
  replay: memoryReplay(),
});
const refused = await verifier.verify({ authorization: 'DPoP x', method: 'GET', url: 'https://api.example/' }).then(
  () => 'accepted',
  (error: unknown) => (error instanceof TokenRefused ? error.why : 'another error'),
);
console.log([typeof connectAgent, typeof agentSocketPath, typeof verifyEvidence, refused].join(' '));
`;

t.test('the package has what runs, and no sources or tests', { skip }, async (t) => {
  const files = packedFiles();
  const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly bin: Record<string, string>;
    readonly exports: Record<string, { readonly default: string }>;
  };
  const named = [...Object.values(bin), ...Object.values(exports).map((each) => each.default.slice(2))];
  for (const file of [...named, 'profiles/coding-agent.yaml', 'systemd/cordond.service', 'LICENSE'])
    t.ok(files.includes(file), file);
  t.strictSame(
    files
      .filter((file) => file.startsWith('test/') || file.endsWith('.ts'))
      .filter((file) => !file.startsWith('dist/')),
    [],
  );
  const project = foreignProject(t, files);
  writeFileSync(join(project, 'use.ts'), use);
  const strict = ['--strict', '--module', 'NodeNext', '--target', 'ES2024', '--types', 'node'];
  node(project, tsc, ...strict, 'use.ts');
  t.equal(node(project, 'use.js'), 'function string function malformed\n');
});
