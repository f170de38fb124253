import t from 'tap';
import { matches } from '../../daemon/supervisor/exec.ts';

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
  ['a script with a long list', true, ['s', 'x'.repeat(5000)], ['/bin/sh', './s', 'x'.repeat(4000)], './s'],
];

for (const [what, expected, judged, actual, script] of cases)
  t.test(`${expected ? 'accepts' : 'refuses'} ${what}`, async (t) => {
    t.equal(matches(judged, actual, script), expected);
  });
