// How deep a text would nest, told by the tokens of YAML alone. The parser that follows takes time and stack that grow with the
// depth (YAML 1.2.2, 6.1 and 7.4 bound neither), so what is too deep never reaches it.
import { Lexer } from 'yaml';

/** Values in values; far more than any document of ours has. */
export const deepestNesting = 16;

const opens = new Set(['[', '{']);
const closes = new Set([']', '}']);
const indicators = new Set(['-', '?', ':']);

/** Says that the next token is a scalar's text, whatever it looks like. */
const scalarFollows = '\u001f';

/**
 * The line on which brackets nest deeper than `deepestNesting`, or so many blocks begin (`- - - -`). Blocks that nest line by line are
 * left to the reader: each needs more indentation than the one around it, so 1 MiB has room for no more than 1,500.
 */
export function lineTooDeep(text: string): number | undefined {
  let [line, brackets, begun, isText] = [1, 0, 0, false];
  for (const token of new Lexer().lex(text)) {
    if (!isText) {
      if (opens.has(token)) brackets++;
      else if (closes.has(token)) brackets--;
      else if (indicators.has(token) && brackets <= 0) begun++;
      if (brackets > deepestNesting || begun > deepestNesting) return line;
    }
    isText = token === scalarFollows;
    const breaks = token.split('\n').length - 1;
    if (breaks > 0) [line, begun] = [line + breaks, 0];
  }
  return undefined;
}
