// Secrets that settings name and cordond's vault holds.

/** What `isSecretName` holds for, in words. */
export const secretNameRule =
  'a name of lower-case letters, digits, dots, dashes and underscores, at most 64';
export const isSecretName = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(value);
/** Bytes of one secret. */
export const maxSecret = 16 * 1024;
