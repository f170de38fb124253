// Node reads an accepted connection into a new buffer each time, outside V8's heap, and V8 lets 64 MiB of those pile up
// before it looks. A collection of the young generation after every few megabytes keeps a session small; it takes well
// under a millisecond, because there is so little else.

/** Bytes read into buffers of their own between two collections. */
const enough = 8 * 1024 * 1024;
let since = 0;

/** Tells that `bytes` were read and are done with. Does nothing unless Node runs with --expose-gc. */
export function discarded(bytes: number): void {
  since += bytes;
  if (since < enough) return;
  since = 0;
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}
