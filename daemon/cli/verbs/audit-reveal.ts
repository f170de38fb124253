// `cordon audit reveal FILE`: records that were exported or shipped, with what is sealed in them. Works anywhere: what it
// needs is the machine's sealed keys and the administrator's escrow key, which stays in this process.
import { createReadStream } from 'node:fs';
import { readText } from '../attest/files.ts';
import { openWithEscrow, readSecrets, sealedIn, sealingKeys } from '../../evidence/mod.ts';
import { CordonError } from '../../model/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';
import { recordOf, revealed, valueOpener } from '../../ocsf/mod.ts';
import type { OpenText } from '../../ocsf/mod.ts';
import { linesOf as linesOfFile } from '../lines.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';
import { recordLine } from './audit-tail.ts';

function needed(context: VerbContext, name: string, what: string): string {
  const path = textOption(context, name);
  if (path !== undefined) return path;
  throw new CordonError('config-invalid', `--${name} is missing: ${what}`);
}

function openerOf(context: VerbContext): OpenText {
  const sealed = sealedIn(readText(needed(context, 'keys', 'the machine’s sealed keys'), 'the sealed keys'));
  const escrow = readText(needed(context, 'escrow', 'the private escrow key'), 'the escrow key');
  const secrets = readSecrets(openWithEscrow(sealed, escrow));
  return valueOpener(sealingKeys.read(secrets.get(sealingKeys.name)));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** Of a line of an export, of a file sink, or an event alone; undefined for what is none of these. */
function recordIn(line: string): SessionRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const event = isObject(value) ? value['event'] : undefined;
    if (typeof event === 'string') return recordOf(event);
    return recordOf(isObject(event) ? JSON.stringify(event) : line);
  } catch {
    return undefined;
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* linesOfFile(createReadStream(file));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CordonError('not-found', `cannot read the records: ${why}`, { file, cause });
  }
}

export const auditReveal: VerbAction = async (context) => {
  const { json, colours, out, operands } = context;
  const open = openerOf(context);
  const sum = { opened: 0, closed: 0 };
  for await (const line of linesOf(operands[0] ?? '')) {
    const kept = recordIn(line);
    if (kept === undefined) continue;
    const { record, opened, closed } = revealed(kept, open);
    sum.opened += opened;
    sum.closed += closed;
    out(json ? JSON.stringify(record) : recordLine(record, colours));
  }
  if (!json)
    out(
      colours.dim(
        `${sum.opened} sealed values opened${sum.closed === 0 ? '' : `, ${sum.closed} are by another key or were changed`}`,
      ),
    );
  return sum.closed === 0 ? 0 : 1;
};
