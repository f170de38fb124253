// Paths as the kernel has them: bytes. A BytePath is a JavaScript string in which every char is one byte
// (latin1), so that names that are not UTF-8 survive, and comparison is byte comparison.

/** An absolute, normalised path (no `.`/`..`, no double or trailing slash), one char a byte. */
export type BytePath = string & { readonly __bytePath: unique symbol };

/** Text (UTF-8) to bytes-as-chars. */
export const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Bytes-as-chars to text for people and records; invalid UTF-8 becomes `\xNN`. */
export function toText(bytes: string): string {
  if (!/[^\x00-\x7f]/.test(bytes)) return bytes;
  const buffer = Buffer.from(bytes, 'latin1');
  const text = buffer.toString('utf8');
  if (!text.includes('\uFFFD')) return text;
  let out = '';
  for (const char of bytes) {
    const code = char.charCodeAt(0);
    out += code < 0x80 ? char : `\\x${code.toString(16).padStart(2, '0')}`;
  }
  return out;
}

/** Normalises an absolute path lexically. The caller has already resolved symlinks, or does not want them resolved. */
export function normalise(path: string): BytePath {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}` as BytePath;
}
