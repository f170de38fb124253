// Random numbers that can be had again: CORDON_SEED=N repeats a run.

const given = Number(process.env['CORDON_SEED']);
export const seed = given > 0 ? given : 1 + Math.floor(Math.random() * 2 ** 31);

/** Mulberry32: numbers from 0 up to 1. */
export function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
