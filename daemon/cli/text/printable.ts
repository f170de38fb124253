// Names come from agents: nothing of them may steer the reader's terminal.

// C0, DEL, C1, line and paragraph separators, and the bidirectional controls of Unicode (UAX #9).
const unsafe = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** The same text with every character that could move, hide or reorder something written as an escape. */
export function printable(text: string): string {
  return text.replace(unsafe, (char) => {
    const code = char.charCodeAt(0);
    if (char === '\n') return '\\n';
    if (char === '\t') return '\\t';
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** Several lines of text from the daemon: each made printable, line ends kept. */
export const printableLines = (text: string): string[] => text.replace(/\n$/, '').split('\n').map(printable);
