// Node's fast paths for Buffer and text: present since Node 0.x, documented by their use in lib/buffer.js, missing from
// @types/node.
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Write(text: string, offset?: number, length?: number): number;
}
