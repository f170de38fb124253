/**
 * Commands that need nothing of each other's answers, under way at once: the TPM is not left waiting for us between them.
 * Resolves or rejects (with the first failure in order) when all have come to an end: who gives an object up after that
 * takes it from nobody.
 */
export async function together<T extends readonly unknown[]>(
  ...work: { readonly [K in keyof T]: Promise<T[K]> }
): Promise<T> {
  const ended = await Promise.allSettled(work);
  const values = ended.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
  return values as unknown as T;
}
