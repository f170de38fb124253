// `ld.so PROGRAM` runs PROGRAM by reading it: the kernel executes the loader only. So where a loader is the image, the
// program that it names counts as executed. Options: rtld of glibc 2.42 (elf/rtld.c) and musl 1.2 (ldso/dynlink.c).

const loader = /\/(?:ld-linux[^/]*\.so\.\d+|ld-\d[^/]*\.so|ld(?:64)?\.so(?:\.\d+)?|ld-musl-[^/]+\.so\.\d+)$/;

export const isLoader = (image: string): boolean => loader.test(image);

const valued = new Set([
  '--library-path',
  '--glibc-hwcaps-prepend',
  '--glibc-hwcaps-mask',
  '--inhibit-rpath',
  '--audit',
  '--preload',
  '--argv0',
]);
/** These print, and run nothing. */
const asking = new Set([
  '--list',
  '--verify',
  '--help',
  '--version',
  '--list-tunables',
  '--list-diagnostics',
]);

/**
 * The program that a loader with these arguments runs: undefined when it runs none, null when that cannot be told (the
 * arguments were cut, or it would be searched for).
 */
export function programOf(argv: readonly string[], cut: boolean): string | undefined | null {
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (asking.has(word)) return undefined;
    if (word === '--') return named(argv[at + 1], cut);
    if (!word.startsWith('--')) return named(word, cut && at === argv.length - 1);
    if (valued.has(word)) at++;
  }
  return cut ? null : undefined;
}

const named = (word: string | undefined, cut: boolean): string | undefined | null =>
  cut || word?.includes('/') === false ? null : word;
