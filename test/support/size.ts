// How large the survival tests are: a size that every run can bear, or the full one with CORDON_FULL_SIZE=1.

export const fullSize = process.env['CORDON_FULL_SIZE'] === '1';

interface Sizes {
  readonly usual: number;
  readonly full: number;
}

export const sized = ({ usual, full }: Sizes): number => (fullSize ? full : usual);

/** Random points at which a process is killed: CORDON_KILLS=N for another number. */
export const killsOf = (sizes: Sizes): number => Number(process.env['CORDON_KILLS'] ?? sized(sizes));

/** Milliseconds for a test of so many kills on a busy machine. */
export const timeFor = (kills: number): number => 120_000 + kills * 15_000;
