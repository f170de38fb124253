import t from 'tap';
import { cells, columns } from '../../daemon/cli/text/columns.ts';
import { colours } from '../../daemon/cli/text/colour.ts';
import { printable } from '../../daemon/cli/text/printable.ts';
import { parseSince, spanText } from '../../daemon/cli/text/time.ts';

t.test('nothing that steers a terminal is printed', async (t) => {
  t.equal(
    printable('a\u001b[2J\u009b1m\r\n\tb\u202e\u2066\u007f'),
    'a\\x1b[2J\\x9b1m\\x0d\\n\\tb\\u202e\\u2066\\x7f',
  );
  t.equal(printable('Grüße 漢字 👍'), 'Grüße 漢字 👍');
});

t.test('columns are aligned by terminal cells, wide and combining characters too', async (t) => {
  t.equal(cells('漢字'), 4);
  t.equal(cells('e\u0301'), 1);
  t.strictSame(
    columns(
      ['A', 'B'],
      [
        ['漢', 'x'],
        ['abc', ''],
      ],
    ),
    ['A    B', '漢   x', 'abc'],
  );
  t.strictSame(
    columns([], [['a', 'b']], (cell, column) => (column === 0 ? `<${cell}>` : cell)),
    ['<a>  b'],
    'paint does not count',
  );
});

t.test('colour is written only where it is wanted', async (t) => {
  t.equal(colours(true).red('x'), '\u001b[31mx\u001b[39m');
  t.equal(colours(false).red('x'), 'x');
});

t.test('spans and times are understood, everything else is refused', async (t) => {
  t.equal(parseSince('10m', 1_000_000), 400_000);
  t.equal(parseSince('2h', 8_000_000), 800_000);
  t.equal(parseSince('2026-01-31T12:00:00Z', 0), Date.UTC(2026, 0, 31, 12));
  for (const wrong of ['', '10', 'm', '1y', '-5m', 'now', '2026-13-45', '99999999999s']) {
    t.throws(() => parseSince(wrong, 0), { code: 'config-invalid' }, wrong);
  }
});

t.test('spans read well', async (t) => {
  t.strictSame([0, 59_999, 60_000, 3_600_000, 100_000_000].map(spanText), [
    '0s',
    '59s',
    '1m',
    '1h 0m',
    '1d 3h',
  ]);
});
