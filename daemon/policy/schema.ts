// Validation against the JSON Schemas in profiles/, with errors a person can act on: file, line, key, what was
// expected, and what to do.
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import managedSchema from '../../profiles/managed.schema.json' with { type: 'json' };
import profileSchema from '../../profiles/profile.schema.json' with { type: 'json' };
import testSchema from '../../profiles/test.schema.json' with { type: 'json' };
import type { CordonError } from '../model/mod.ts';
import type { LocatedDocument } from './document.ts';
import { joinKey } from './document.ts';
import { nearest } from './nearest.ts';
import { invalid } from './source.ts';

const ajv = new Ajv({ allowUnionTypes: true, verbose: true, strictRequired: false, strictTypes: false });
ajv.addSchema(profileSchema);

const validators = {
  profile: ajv.getSchema(profileSchema.$id)!,
  managed: ajv.compile(managedSchema),
  test: ajv.compile(testSchema),
} satisfies Record<string, ValidateFunction>;

export function validate(document: LocatedDocument, kind: keyof typeof validators): void {
  const validator = validators[kind];
  if (validator(document.value)) return;
  const errors = validator.errors ?? [];
  // Inside oneOf every branch complains; the oneOf itself says what is wrong.
  const error = errors.find(({ keyword }) => keyword === 'oneOf') ?? errors[0];
  if (error) throw explain(document, kind, error);
}

/** `/files/3/in/0` → `files[3].in[0]` */
function keyOf(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  return parts.reduce((key, part) => {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    return joinKey(key, /^\d+$/.test(name) ? Number(name) : name);
  }, '');
}

function explain(document: LocatedDocument, kind: string, error: ErrorObject): CordonError {
  const key = keyOf(error.instancePath);
  const at = (name: string) => document.place(joinKey(key, name));
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(params['additionalProperty']);
      const known = Object.keys((error.parentSchema?.['properties'] ?? {}) as object);
      return invalid(at(name), `unknown key; expected one of: ${known.join(', ')}`, didYouMean(name, known));
    }
    case 'required': {
      const missing = String(params['missingProperty']);
      return invalid(document.place(key), `the key ${missing} is missing`, `add ${missing}:`);
    }
    case 'oneOf':
      return invalid(
        document.place(key),
        'expected exactly one of: allow, ask, deny, never',
        'write one rule for every effect',
      );
    case 'enum': {
      const known = (params['allowedValues'] as unknown[]).map(String);
      return invalid(
        document.place(key),
        `${show(error.data)} is not one of: ${known.join(', ')}`,
        didYouMean(String(error.data), known),
      );
    }
    case 'const':
      return invalid(
        document.place(key),
        `${show(error.data)} is not ${show(params['allowedValue'])}`,
        `write ${show(params['allowedValue'])}`,
      );
    case 'type': {
      const wanted = [params['type']].flat().map(String);
      const is = wanted.map((type) => kinds[type]?.name ?? type).join(' or ');
      const form = wanted.map((type) => kinds[type]?.form ?? type).join(', or ');
      return invalid(document.place(key), `${show(error.data)} is not ${is}${hint(error)}`, `write ${form}`);
    }
    default:
      return invalid(
        document.place(key),
        `${show(error.data)}: ${error.message ?? 'is not valid'}${hint(error)}`,
        `see the description of this key in profiles/${kind}.schema.json`,
      );
  }
}

/** The types of JSON Schema, as people write them in YAML. */
const kinds: Readonly<Record<string, { readonly name: string; readonly form: string }>> = {
  object: { name: 'a mapping', form: 'keys and values: key: value' },
  array: { name: 'a list', form: '[a, b], or lines that begin with -' },
  string: { name: 'text', form: 'text, in quotes if it looks like something else' },
  integer: { name: 'a whole number', form: 'a whole number' },
  boolean: { name: 'true or false', form: 'true or false' },
};

const hint = (error: ErrorObject): string => {
  const description: unknown = error.parentSchema?.['description'];
  return typeof description === 'string' ? ` (${description})` : '';
};

const didYouMean = (name: string, known: readonly string[]): string => {
  const close = nearest(name, known);
  return close === undefined ? 'remove it, or correct its spelling' : `did you mean ${close}?`;
};

function show(value: unknown): string {
  // JSON has no word for it: `.inf`, 1e400.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || value === null) return 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
