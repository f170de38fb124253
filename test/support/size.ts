// How large the survival tests are: a size that every run can bear, or the full one with CORDON_FULL_SIZE=1.

export const fullSize = process.env['CORDON_FULL_SIZE'] === '1';

export const sized = ({ usual, full }: { readonly usual: number; readonly full: number }): number =>
  fullSize ? full : usual;
