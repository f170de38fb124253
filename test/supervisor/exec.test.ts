import t from 'tap';
import { matches } from '../../daemon/supervisor/exec.ts';
import { isLoader, programOf } from '../../daemon/supervisor/loader.ts';

const cases: readonly (readonly [string, boolean, readonly string[], readonly string[], string?])[] = [
  ['the same arguments', true, ['ls', '-l'], ['ls', '-l']],
  ['one more', false, ['ls'], ['ls', '-l']],
  ['one less', false, ['ls', '-l'], ['ls']],
  ['a shell that was judged without a command', false, ['sh'], ['sh', '-c', 'evil']],
  ['a shell with an option that was not judged', false, ['sh'], ['sh', '-c']],
  ['another argument', false, ['sh', '-c', 'true'], ['sh', '-c', 'evil']],
  ['no arguments at all, for which the kernel makes an empty one', true, [], ['']],
  ['arguments where none were judged', false, [], ['sh', '-c', 'evil']],
  ['a script', true, ['./s', 'a'], ['/bin/sh', './s', 'a'], './s'],
  [
    'a script whose first line has an argument',
    true,
    ['s', 'a'],
    ['/usr/bin/env', 'node', './s', 'a'],
    './s',
  ],
  ['a script with another argv[0]', true, ['zero', 'a'], ['/bin/sh', './s', 'a'], './s'],
  ['a script run by a script', true, ['s', 'a'], ['/bin/sh', '/i', './s', 'a'], './s'],
  ['a script by descriptor', true, ['s', 'a'], ['/bin/sh', '/dev/fd/9', 'a'], ''],
  ['a script below a descriptor', true, ['s', 'a'], ['/bin/sh', '/dev/fd/9/s', 'a'], 's'],
  ['a script that got other arguments', false, ['s', 'a'], ['/bin/sh', './s', 'b'], './s'],
  ['a command in place of a script', false, ['s'], ['/bin/sh', '-c', 'evil'], './s'],
  ['a list that was cut when it was judged', true, ['a', 'b', '…'], ['a', 'b', 'c']],
  ['a cut list that begins otherwise', false, ['a', 'b', '…'], ['a', 'x', 'c']],
  ['a long list', true, ['a', 'b'.repeat(5000), 'c'], ['a', 'b'.repeat(4000)]],
  ['a long list that begins otherwise', false, ['sh', '-c', 'true'], ['sh', '-c', 'evil', 'x'.repeat(4000)]],
  ['a long list with one more', false, ['sh', 'x'.repeat(3998)], ['sh', 'x'.repeat(3998), 'more']],
  ['a long list with many more', false, ['sh'], ['sh', '-c', 'evil', 'x'.repeat(4000)]],
  ['a long list whose last word begins otherwise', false, ['a', 'b'.repeat(5000)], ['a', 'c'.repeat(4000)]],
  [
    'a long list with a word that was too long to be read',
    true,
    ['sh', '-c', '…', '…'],
    ['sh', '-c', 'x'.repeat(4000)],
  ],
  ['a script with a long list', true, ['s', 'x'.repeat(5000)], ['/bin/sh', './s', 'x'.repeat(4000)], './s'],
];

for (const [what, expected, judged, actual, script] of cases)
  t.test(`${expected ? 'accepts' : 'refuses'} ${what}`, async (t) => {
    t.equal(matches(judged, actual, script), expected);
  });

const loaded: readonly (readonly [string, string | undefined | null, readonly string[], boolean?])[] = [
  ['a program', '/bin/x', ['ld.so', '/bin/x', '-y']],
  [
    'options before it',
    '/bin/x',
    ['ld.so', '--library-path', '/lib', '--inhibit-cache', '--argv0', 'a', '/bin/x'],
  ],
  ['two dashes before it', './x', ['ld.so', '--', './x']],
  ['only asking', undefined, ['ld.so', '--list', '/bin/x']],
  ['nothing', undefined, ['ld.so']],
  ['a program to be searched for', null, ['ld.so', '--library-path', '/bin', 'x']],
  ['more than was read', null, ['ld.so', '--library-path'], true],
  ['a program that was cut', null, ['ld.so', '/bin/x'], true],
];
for (const [title, program, argv, cut = false] of loaded)
  t.test(`a loader with ${title}`, async (t) => {
    t.equal(programOf(argv, cut), program);
  });

t.test('loaders are known by their names', async (t) => {
  for (const image of [
    '/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
    '/lib/ld-linux-aarch64.so.1',
    '/lib/ld-musl-x86_64.so.1',
  ])
    t.ok(isLoader(image), image);
  for (const image of ['/usr/bin/ld', '/usr/bin/ld.gold', '/lib/libc.so.6']) t.notOk(isLoader(image), image);
});
