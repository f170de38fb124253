// Makes ocsf-1.8.0.json from the published definitions of OCSF, for the classes and objects that events of ours use. Run
// with a checkout of https://github.com/ocsf/ocsf-schema at version 1.8.0:
//   bash daemon/scripts/node24.sh test/ocsf/schema/generate.ts CHECKOUT
// Attributes whose object is not in the list below are left out, so that the schema is stricter than the published one.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const classNames = [
  'file_activity',
  'kernel_activity',
  'process_activity',
  'event_log_actvity', // spelled so in the definitions
  'detection_finding',
  'data_security_finding',
  'authorize_session',
  'user_access',
  'network_activity',
  'http_activity',
  'dns_activity',
  'device_config_state_change',
  'application_lifecycle',
  'api_activity',
  'application_error',
  'process_remediation_activity',
];
const objectNames = new Set([
  'actor',
  'api',
  'application',
  'authorization',
  'data_security',
  'device',
  'dns_query',
  'file',
  'fingerprint',
  'finding_info',
  'http_request',
  'kernel',
  'message_context',
  'metadata',
  'network_connection_info',
  'network_endpoint',
  'network_traffic',
  'object',
  'os',
  'policy',
  'process',
  'process_entity',
  'product',
  'request',
  'response',
  'session',
  'url',
  'user',
]);
/** Of the profiles, those that events of ours name. */
const profiles = new Set(['ai_operation', 'host', 'security_control']);

interface Attribute {
  readonly type?: string;
  readonly is_array?: boolean;
  readonly requirement?: string;
  readonly enum?: Readonly<Record<string, unknown>>;
  readonly profile?: string | null;
}
interface Constraints {
  readonly at_least_one?: readonly string[];
  readonly just_one?: readonly string[];
}
interface Definition {
  readonly name: string;
  readonly uid?: number;
  readonly category?: string;
  readonly extends?: string;
  readonly constraints?: Constraints;
  readonly attributes: Readonly<Record<string, Attribute>> & { readonly $include?: readonly string[] };
}
interface DataType {
  readonly type?: string;
  readonly regex?: string;
  readonly max_len?: number;
  readonly range?: readonly [number, number];
}
type Attributes = Record<string, Attribute>;
type Schema = Record<string, unknown>;

const root = process.argv[2] ?? '';
const load = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

function definitions(folder: string): Map<string, Definition> {
  const paths = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  const all = paths
    .filter((path) => path.endsWith('.json'))
    .map((path) => load(join(folder, path)) as Definition);
  return new Map(all.map((each) => [each.name, each]));
}

interface Dictionary {
  readonly attributes: Attributes;
  readonly types: { readonly attributes: Readonly<Record<string, DataType>> };
}
interface Categories {
  readonly attributes: Readonly<Record<string, { readonly uid: number }>>;
}

const { version } = load('version.json') as { readonly version: string };
const dictionary = load('dictionary.json') as Dictionary;
const categories = (load('categories.json') as Categories).attributes;
const events = definitions('events');
const objects = definitions('objects');

/** Attributes of a definition with those it includes from profiles, over those of what it extends. */
function attributesOf(
  of: ReadonlyMap<string, Definition>,
  { extends: base, attributes }: Definition,
): Attributes {
  const parent = base === undefined ? undefined : of.get(base);
  const { $include = [], ...own } = attributes;
  const included = $include
    .map((path) => load(path) as Definition)
    .filter(({ name }) => profiles.has(name))
    .flatMap(({ attributes: each }) => Object.entries(each as Attributes));
  const all: Attributes = parent ? attributesOf(of, parent) : {};
  for (const [name, attribute] of [...included, ...Object.entries(own)])
    all[name] = merged(all[name], attribute);
  return all;
}

const merged = (before: Attribute | undefined, after: Attribute): Attribute => ({
  ...before,
  ...after,
  ...(before?.enum || after.enum ? { enum: { ...before?.enum, ...after.enum } } : {}),
});

function constraintsOf(
  of: ReadonlyMap<string, Definition>,
  { constraints, extends: base }: Definition,
): Constraints {
  const parent = base === undefined ? undefined : of.get(base);
  return constraints ?? (parent ? constraintsOf(of, parent) : {});
}

function inherited(definition: Definition, key: 'category'): string {
  const base = events.get(definition.extends ?? '');
  return definition[key] ?? (base ? inherited(base, key) : '');
}

function scalar(type: string): Schema | undefined {
  const known = dictionary.types.attributes[type];
  if (known === undefined) return undefined;
  const base = known.type ?? type;
  const kinds: Record<string, Schema> = {
    string_t: { type: 'string' },
    integer_t: { type: 'integer' },
    long_t: { type: 'integer' },
    float_t: { type: 'number' },
    boolean_t: { type: 'boolean' },
    json_t: {},
  };
  return {
    ...kinds[base],
    ...(known.regex === undefined ? {} : { pattern: known.regex }),
    ...(known.max_len === undefined ? {} : { maxLength: known.max_len }),
    ...(known.range === undefined ? {} : { minimum: known.range[0], maximum: known.range[1] }),
  };
}

function valueOf(name: string, attribute: Attribute): Schema | undefined {
  const type = attribute.type ?? '';
  const numeric = /^(integer|long)_t$/.test(type);
  const values = attribute.enum && Object.keys(attribute.enum).map((each) => (numeric ? Number(each) : each));
  const one = values
    ? { enum: values }
    : (scalar(type) ?? (objectNames.has(type) ? { $ref: `#/$defs/${type}` } : undefined));
  if (one === undefined && attribute.requirement === 'required')
    throw new Error(`${name} needs the object ${type}`);
  return one && (attribute.is_array === true ? { type: 'array', items: one } : one);
}

function schemaOf(of: ReadonlyMap<string, Definition>, definition: Definition, fixed: Schema): Schema {
  const all = attributesOf(of, definition);
  const properties: Schema = {};
  for (const [name, own] of Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const value =
      fixed[name] ?? valueOf(`${definition.name}.${name}`, merged(dictionary.attributes[name], own));
    if (value !== undefined) properties[name] = value;
  }
  const required = Object.keys(properties).filter((name) => all[name]?.requirement === 'required');
  const { at_least_one = [], just_one = [] } = constraintsOf(of, definition);
  const some = at_least_one.filter((name) => name in properties).map((name) => ({ required: [name] }));
  const one = just_one.filter((name) => name in properties).map((name) => ({ required: [name] }));
  return {
    type: 'object',
    properties,
    additionalProperties: Object.keys(all).length === 0,
    ...(required.length > 0 ? { required } : {}),
    ...(some.length > 0 ? { anyOf: some } : {}),
    ...(one.length > 0 ? { oneOf: one } : {}),
  };
}

function classSchema(name: string): [string, Schema] {
  const definition = events.get(name);
  if (definition === undefined) throw new Error(`no class ${name}`);
  const category = categories[inherited(definition, 'category')]?.uid ?? 0;
  const uid = category * 1000 + (definition.uid ?? 0);
  const activities = Object.keys(attributesOf(events, definition)['activity_id']?.enum ?? {});
  return [
    String(uid),
    schemaOf(events, definition, {
      category_uid: { const: category },
      class_uid: { const: uid },
      type_uid: { enum: activities.map((activity) => uid * 100 + Number(activity)) },
    }),
  ];
}

const schema = {
  $comment: `Made from OCSF ${version} (https://github.com/ocsf/ocsf-schema, Apache-2.0) by generate.ts; see README.md`,
  $defs: Object.fromEntries(
    [...objectNames].sort().map((name) => {
      const definition = objects.get(name);
      if (definition === undefined) throw new Error(`no object ${name}`);
      return [name, schemaOf(objects, definition, {})];
    }),
  ),
  classes: Object.fromEntries(classNames.map(classSchema).sort(([a], [b]) => Number(a) - Number(b))),
};
if (version !== '1.8.0') throw new Error(`the checkout is OCSF ${version}, not 1.8.0`);
writeFileSync(
  fileURLToPath(new URL(`./ocsf-${version}.json`, import.meta.url)),
  `${JSON.stringify(schema, null, 1)}\n`,
);
