// The published schema as a check of one event: sentences about what is wrong, none when it is right.
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';

interface SchemaFile {
  readonly $defs: Readonly<Record<string, object>>;
  readonly classes: Readonly<Record<string, object>>;
}

const { $defs, classes } = JSON.parse(
  readFileSync(new URL('./schema/ocsf-1.8.0.json', import.meta.url), 'utf8'),
) as SchemaFile;

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
const compiled = new Map<string, ValidateFunction>(
  Object.entries(classes).map(([uid, schema]) => [uid, ajv.compile({ $defs, ...schema })]),
);

export function violations(text: string): string[] {
  const event = JSON.parse(text) as { readonly class_uid?: unknown };
  const validate = compiled.get(String(event.class_uid));
  if (validate === undefined) return [`class ${String(event.class_uid)} is not in the schema`];
  if (validate(event)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
  );
}
