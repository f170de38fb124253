// Fields of a head that parseHead has found good: lines end in CRLF, none is folded, every name is a token.

const linesOf = (head: Buffer): string[] => head.latin1Slice(0, head.length - 4).split('\r\n');
const nameOf = (line: string): string => line.slice(0, line.indexOf(':')).toLowerCase();

/** Values of every field of this name (lower case), in order. */
export const fieldsNamed = (head: Buffer, name: string): string[] =>
  linesOf(head)
    .slice(1)
    .filter((line) => nameOf(line) === name)
    .map((line) => line.slice(line.indexOf(':') + 1).replace(/^[ \t]+|[ \t]+$/g, ''));

/** The head without fields of these names (lower case), and with these at its end. */
export function withFields(
  head: Buffer,
  without: readonly string[],
  added: readonly (readonly [string, string])[],
): Buffer {
  const [request = '', ...fields] = linesOf(head);
  const kept = fields.filter((line) => !without.includes(nameOf(line)));
  const lines = [request, ...kept, ...added.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
