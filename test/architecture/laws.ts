// The laws of who may import what, as tables, and a checker that is pure: text in, sentences out.
import ts from 'typescript';

/** Rooms that act on the world: each knows the vocabulary, the protocol and the syscalls, and no other room. */
const acting = [
  'launcher',
  'supervisor',
  'egress',
  'approvals',
  'tokens',
  'credentials',
  'plugins',
  'killswitch',
  'attestation',
  'audit',
  'uploader',
] as const;

type RoomSet = (room: string) => boolean;
const everyRoomBut = (...excluded: string[]): RoomSet => {
  return (room) => !excluded.includes(room);
};
const only = (...rooms: string[]): RoomSet => {
  return (room) => rooms.includes(room);
};

/** Which other rooms a room may import. A room that is not listed here is itself an offence. */
const mayImport: ReadonlyMap<string, RoomSet> = new Map<string, RoomSet>([
  ['model', only()],
  ['wire', only('model')],
  // Both are pure: a profile's own table and the smallest change are answered by the decisions themselves; the schemas
  // are data.
  ['policy', only('model', 'decision', 'profiles')],
  ['decision', only('model')],
  ['dlp', only('model')],
  ['anomaly', only('model')],
  ['monitor', only('model')],
  ...acting.map((room): [string, RoomSet] => [room, only('model', 'wire', 'native-bindings')]),
  // Pure: a record as an OCSF event and back; trees, notes and proofs. The spool keeps what they make.
  ['ocsf', only('model', 'dlp')],
  ['proof', only('model')],
  ['audit', only('model', 'wire', 'native-bindings', 'ocsf', 'proof')],
  // Pure: what attester and verifier share (statement, event log, selections), on the TPM's own wire types.
  ['evidence', only('model', 'native-bindings')],
  ['attestation', only('model', 'wire', 'native-bindings', 'evidence')],
  ['verifier', only('model', 'native-bindings', 'evidence')],
  // A verifier with a door and a memory; not of an endpoint. Its tokens are made and checked by the same code.
  ['verifier-service', only('model', 'native-bindings', 'evidence', 'verifier', 'tokens')],
  ['session', everyRoomBut('control', 'cli', 'scripts', 'main.ts')],
  ['control', everyRoomBut('cli', 'scripts', 'main.ts')],
  [
    'cli',
    only(
      'model',
      'wire',
      'policy',
      'decision',
      'config',
      'profiles',
      'ocsf',
      'proof',
      'evidence',
      'verifier',
      'verifier-service',
      'tokens',
    ),
  ],
  ['config', only('model', 'policy', 'profiles')],
  ['main.ts', everyRoomBut('cli', 'scripts')],
  ['scripts', () => true],
  ['native-bindings', only()],
  ['profiles', only()],
]);

/** Rooms without I/O, and the only Node modules they may use. */
const pureRooms: ReadonlySet<string> = new Set([
  'model',
  'policy',
  'decision',
  'dlp',
  'anomaly',
  'monitor',
  'ocsf',
  'proof',
  'evidence',
  'verifier',
]);
const pureModules: ReadonlySet<string> = new Set([
  'node:crypto',
  'node:buffer',
  'node:path',
  'node:net',
  'node:util',
]);
/** `node:net` is allowed above for these alone. */
const pureNetNames: ReadonlySet<string> = new Set(['isIP', 'isIPv4', 'isIPv6', 'BlockList']);

/** Each package's homes. A package that is not listed is a dependency nobody reviewed. */
const packageHomes: ReadonlyMap<string, readonly string[]> = new Map([
  ['koffi', ['native-bindings']],
  ['node-pty', ['launcher']],
  // Of tokens: the replay cache in a file, which the library for backends does not load.
  ['better-sqlite3', ['audit', 'verifier-service', 'tokens']],
  // The uploader speaks OTLP, which is protobuf too: the few messages of it are its own.
  ['protobufjs', ['wire', 'uploader']],
  ['commander', ['cli']],
  ['chokidar', ['config']],
  ['yaml', ['policy', 'config']],
  ['ajv', ['policy']],
  ['dns-packet', ['egress']],
  ['esbuild', ['scripts']],
  ['jose', ['tokens', 'verifier', 'verifier-service']],
  ['@nats-io/transport-node', ['uploader']],
  ['@nats-io/jetstream', ['uploader']],
  ['hyparquet-writer', ['cli']],
]);

/** Lines a module may have before it needs a reason. */
export const lineLimit = 500;

/** Modules over the limit, each with the reason why it is one idea all the same. */
export const longModules: ReadonlyMap<string, string> = new Map([
  ['daemon/wire/messages.gen.ts', 'generated from cordon.proto; nobody edits it'],
]);

/** The room a file lives in: `daemon/<room>/…`, `native-bindings`, `profiles`, or `main.ts`. */
export function roomOf(path: string): string {
  const parts = path.split('/');
  if (parts[0] === 'daemon') return parts[1] ?? '';
  return parts[0] ?? '';
}

function resolveRelative(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function packageOf(specifier: string): string {
  const depth = specifier.startsWith('@') ? 2 : 1;
  return specifier.split('/').slice(0, depth).join('/');
}

function relativeOffence(path: string, specifier: string): string | undefined {
  const from = roomOf(path);
  const target = resolveRelative(path, specifier);
  const to = roomOf(target);
  if (target.startsWith('test/')) return `${path} imports a test (${specifier})`;
  if (from === to || mayImport.get(from)?.(to) === true) return undefined;
  return `${path}: room ${from} may not import room ${to} (${specifier})`;
}

function builtinOffence(path: string, specifier: string): string | undefined {
  const room = roomOf(path);
  if (!pureRooms.has(room) || pureModules.has(specifier)) return undefined;
  return `${path}: room ${room} does no I/O and may not import ${specifier}`;
}

function packageOffence(path: string, specifier: string): string | undefined {
  const name = packageOf(specifier);
  const homes = packageHomes.get(name);
  if (homes === undefined) return `${path} imports ${name}, a package that has no home`;
  const room = roomOf(path);
  if (homes.includes(room)) return undefined;
  return `${path}: package ${name} lives in ${homes.join(', ')}, not in ${room}`;
}

function importOffence(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relativeOffence(path, specifier);
  if (specifier.startsWith('node:')) return builtinOffence(path, specifier);
  if (specifier.startsWith('/')) return `${path} imports an absolute path (${specifier})`;
  return packageOffence(path, specifier);
}

/** Modules are also loaded as `new URL('./x.ts', import.meta.url)` (workers, child processes): the same law. */
function urlSpecifiers(text: string): string[] {
  const found = text.matchAll(/new URL\(\s*['"`](\.[^'"`]*\.[jt]s)['"`]\s*,\s*import\.meta\.url/g);
  return [...found].map((match) => match[1] ?? '');
}

function isDefaultExport(statement: ts.Statement): boolean {
  if (ts.isExportAssignment(statement)) return true;
  if (ts.isExportDeclaration(statement)) {
    const clause = statement.exportClause;
    return (
      clause !== undefined &&
      ts.isNamedExports(clause) &&
      clause.elements.some((e) => e.name.text === 'default')
    );
  }
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword) ?? false;
}

/** True when the program itself (comments and strings aside) takes hold of the environment, in any spelling. */
function readsEnvironment(source: ts.SourceFile): boolean {
  const isReader = (node: ts.Node): boolean => {
    if (ts.isPropertyAccessExpression(node))
      return node.name.text === 'env' && node.expression.getText(source) === 'process';
    if (ts.isElementAccessExpression(node)) return /^process\[['"`]env['"`]\]$/.test(node.getText(source));
    if (ts.isVariableDeclaration(node)) return node.initializer?.getText(source) === 'process';
    return (
      ts.isImportDeclaration(node) && /^['"]node:process['"]$/.test(node.moduleSpecifier.getText(source))
    );
  };
  const visit = (node: ts.Node): boolean => isReader(node) || (ts.forEachChild(node, visit) ?? false);
  return visit(source);
}

const environmentReaders: readonly string[] = ['daemon/config/', 'daemon/scripts/'];

function netOffences(path: string, source: ts.SourceFile): string[] {
  if (!pureRooms.has(roomOf(path))) return [];
  const imports = source.statements
    .filter((statement) => ts.isImportDeclaration(statement))
    .filter((statement) => /node:net/.test(statement.moduleSpecifier.getText(source)));
  const names = imports.flatMap((statement) => {
    const bindings = statement.importClause?.namedBindings;
    return bindings && ts.isNamedImports(bindings) ? bindings.elements.map((e) => e.name.text) : ['*'];
  });
  const wrong = names.filter((name) => !pureNetNames.has(name));
  return wrong.map(
    (name) => `${path}: room ${roomOf(path)} does no I/O and may not import ${name} of node:net`,
  );
}

function importOffences(path: string, text: string): string[] {
  const imports = ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
  const specifiers = new Set([...imports, ...urlSpecifiers(text)]);
  return [...specifiers].map((specifier) => importOffence(path, specifier)).filter((o) => o !== undefined);
}

function* formOffences(path: string, text: string, source: ts.SourceFile): Generator<string> {
  if (!mayImport.has(roomOf(path))) yield `${path}: room ${roomOf(path)} is not in the table of laws`;
  if (source.statements.some(isDefaultExport)) yield `${path} has a default export`;
  if (readsEnvironment(source) && !environmentReaders.some((prefix) => path.startsWith(prefix)))
    yield `${path} reads process.env outside daemon/config`;
  const lines = text.split('\n').length - 1;
  if (lines > lineLimit && !longModules.has(path))
    yield `${path} has ${lines} lines and is not listed with a reason`;
}

/** Every law that the file at `path` (relative to the root) breaks, one sentence each. */
export function offences(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return [...formOffences(path, text, source), ...importOffences(path, text), ...netOffences(path, source)];
}
