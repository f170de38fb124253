import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { builtInProfiles } from '../../daemon/config/profiles.ts';
import { canonicalAddress, guardedReason, parseCidr } from '../../daemon/decision/mod.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { parseManaged, parseProfile } from '../../daemon/policy/mod.ts';

const text = readFileSync(join(builtInProfiles(), 'coding-agent.yaml'), 'utf8');

/** Either parses, or fails with an error that names file and line. */
function holds(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    return error instanceof CordonError && error.facts.file === 'f.yaml' && Number(error.facts.line) > 0;
  }
}

t.test('a profile with some bytes changed parses, or fails with file and line', async (t) => {
  const piece = fc.constantFrom(
    '\n',
    ' ',
    '  - ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&a',
    '*a',
    '!x',
    ': ',
    '\t',
    '\0',
    '---\n',
    '%Y',
    '#',
    '|',
    '>',
  );
  const edit = fc.record({ at: fc.nat(text.length), cut: fc.nat(40), put: piece });
  const property = fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
    const changed = edits.reduce((s, { at, cut, put }) => s.slice(0, at) + put + s.slice(at + cut), text);
    return holds(() => parseProfile('f.yaml', changed));
  });
  fc.assert(property, { numRuns: 150 });
  t.pass();
});

t.test('any text parses, or fails with file and line', async (t) => {
  const property = fc.property(
    fc.string({ unit: 'binary', maxLength: 200 }),
    (any) => holds(() => parseProfile('f.yaml', any)) && holds(() => parseManaged('f.yaml', any)),
  );
  fc.assert(property, { numRuns: 200 });
  t.pass();
});

t.test(
  'any text is an address or not, and an address is written so that it is read as the same',
  async (t) => {
    const hex = fc
      .array(fc.constantFrom('0', '1', 'f', 'ffff', ':', '::', '.', '127', '/', '8', '%'), { maxLength: 16 })
      .map((parts) => parts.join(''));
    const property = fc.property(fc.oneof(hex, fc.ipV4(), fc.ipV6()), (any) => {
      parseCidr(any);
      const written = canonicalAddress(any);
      return written === undefined
        ? guardedReason(any) === 'not an address'
        : canonicalAddress(written) === written;
    });
    fc.assert(property, { numRuns: 3000 });
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (any) => canonicalAddress(any) !== undefined));
    t.pass();
  },
);
