import t from 'tap';
import fc from 'fast-check';
import canonicalize from 'canonicalize';
import { canonical } from '../../daemon/ocsf/mod.ts';
import type { JsonValue } from '../../daemon/ocsf/mod.ts';

t.test('the example of RFC 8785, section 3.2.2, has the bytes of section 3.2.4', async (t) => {
  const value: JsonValue = {
    numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\\"\/',
    literals: [null, true, false],
  };
  const bytes =
    '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e33333333' +
    '3333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e412742' +
    '5c225c5c5c5c5c222f227d';
  t.equal(Buffer.from(canonical(value), 'utf8').toString('hex'), bytes);
});

t.test('members are sorted by UTF-16 code units (RFC 8785, section 3.2.3)', async (t) => {
  const value: JsonValue = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  const order = Object.values(JSON.parse(canonical(value)) as object);
  // JSON.parse puts the integer name first; the text has it where it belongs.
  t.ok(canonical(value).startsWith('{"\\r":"Carriage Return","1":"One","\u0080":'));
  t.strictSame(order.slice(2), [
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

/** RFC 8785, appendix B: IEEE 754 bits and the text of the number. */
const numbers: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

t.test('numbers have the text of RFC 8785, appendix B', async (t) => {
  for (const [bits, text] of numbers) t.equal(canonical(Buffer.from(bits, 'hex').readDoubleBE()), text, bits);
});

t.test('what JSON cannot say is refused', async (t) => {
  for (const value of [NaN, Infinity, -Infinity, '\ud800', 'a\udc00b', ['\ud800'], { '\udfff': 1 }])
    t.throws(() => canonical(value), TypeError);
  for (const value of [undefined, 1n, Symbol('x'), () => 1, [undefined]])
    t.throws(() => canonical(value as never), TypeError);
  t.equal(canonical({ a: undefined, b: 1 }), '{"b":1}', 'an absent member is left out');
});

t.test('any JSON value has the text that the canonicalize package gives it', async () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      if (!JSON.stringify(value).isWellFormed() || /\\ud[89a-f]/i.test(JSON.stringify(value))) return true;
      return canonical(value) === canonicalize(value);
    }),
    { numRuns: 1000 },
  );
});
