// Secrets without a form: long words in which every character could as well be another.

/** Shannon entropy of the characters of a word, in bits a character. */
export function entropy(word: string): number {
  const counts = new Map<string, number>();
  for (const char of word) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / word.length) * Math.log2(count / word.length);
  return bits;
}

const shortest = 24;
/** A random word of 24 characters out of 64 has about 4.2; names that people make of words rarely have 4. */
const leastBits = 4;
const candidate = /[A-Za-z0-9+_=-]{24,512}/g;

/** Digests and UUIDs name things (commits, objects, builds); they are no secrets by their form alone. */
const isName = (word: string): boolean => /^(?:[0-9a-fA-F-]{1,512}$|sha(?:1|256|384|512)[-=])/.test(word);

/** Lower case, upper case and at least three digits, well mixed: changes of the sort of character are many. */
function isMixed(word: string): boolean {
  let changes = 0;
  let digits = 0;
  let before = '';
  for (const char of word) {
    const sort =
      char >= '0' && char <= '9'
        ? '0'
        : char >= 'a' && char <= 'z'
          ? 'a'
          : char >= 'A' && char <= 'Z'
            ? 'A'
            : '-';
    if (sort === '0') digits += 1;
    if (sort !== before) changes += 1;
    before = sort;
  }
  return digits >= 3 && changes >= word.length / 4 && /[a-z]/.test(word) && /[A-Z]/.test(word);
}

/** `[start, end)` of each word that looks random. */
export function randomWords(text: string): readonly (readonly [number, number])[] {
  if (text.length < shortest || text.search(candidate) < 0) return [];
  return [...text.matchAll(candidate)]
    .filter(([word]) => !isName(word) && isMixed(word) && entropy(word) >= leastBits)
    .map(({ index, 0: word }) => [index, index + word.length] as const);
}
