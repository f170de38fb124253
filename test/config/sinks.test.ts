import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseSettings } from '../../daemon/config/settings.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const key = 'witness.example+0a1b2c3d+BGUxZUNBNWhKYnVXSndlRzhwTjZrUzJkUzBHSVBFVmh0';

t.test('every setting of every kind of sink is read', async (t) => {
  const directory = temporaryDirectory(t);
  const file = (name: string, text: string, mode: number): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const text = `
records:
  sinks:
    siem:
      otlp: https://collector.example/v1/logs
      ca: ${file('ca.pem', 'CA', 0o644)}
      certificate: ${file('client.pem', 'CERT', 0o644)}
      key: ${file('client.key', 'KEY', 0o600)}
      token-file: ${file('token', 'secret\n', 0o600)}
      headers: { X-Tenant: blue }
      classes: [denial, mutation]
      verdicts: [denied]
      sessions: [abc1]
      batch: 100
      bandwidth: 64KiB/s
      pause-below-battery: 20
      timeout: 10s
      witness: { url: https://witness.example, key: "${key}" }
    fleet:
      nats: [tls://a.example:4222, tls://b.example:4222]
      stream: AUDIT
      subject: cordon.audit
      create: true
      window: 8
      credentials: ${file('fleet.creds', 'CREDS', 0o600)}
    shipper:
      directory: /var/log/cordon
      rotate-size: 1MiB
      rotate-age: 1h
      keep: 3
`;
  const [siem, fleet, shipper] = parseSettings('f', text).records?.sinks ?? [];
  t.match(siem, {
    kind: 'otlp',
    name: 'siem',
    url: 'https://collector.example/v1/logs',
    tls: { ca: Buffer.from('CA'), certificate: Buffer.from('CERT'), key: Buffer.from('KEY') },
    token: Buffer.from('secret'),
    headers: { 'X-Tenant': 'blue' },
    filter: { classes: ['denial', 'mutation'], verdicts: ['denied'], sessions: ['abc1'] },
    batch: 100,
    bandwidth: 65536,
    battery: 20,
    timeout: 10_000,
    witness: { url: 'https://witness.example', key },
  });
  t.match(fleet, {
    kind: 'nats',
    servers: ['tls://a.example:4222', 'tls://b.example:4222'],
    stream: 'AUDIT',
    subject: 'cordon.audit',
    create: true,
    window: 8,
    credentials: Buffer.from('CREDS'),
    filter: {},
    bandwidth: 0,
  });
  t.match(shipper, { kind: 'file', rotateSize: 2 ** 20, rotateAge: 3_600_000, keep: 3 });
});

const at = 'records.sinks.a';
const wrong: readonly [string, number, string, RegExp][] = [
  ['records: 3\n', 1, 'records', /mapping/],
  ['records:\n  sink: {}\n', 2, 'records.sink', /there are sinks|sinks/],
  ['records:\n  sinks: [a]\n', 2, 'records.sinks', /mapping of names/],
  ['records:\n  sinks:\n    A b: {}\n', 3, 'records.sinks.A b', /lower-case/],
  ['records:\n  sinks:\n    a: {}\n', 3, at, /one of otlp, nats, directory/],
  ['records:\n  sinks:\n    a:\n      otlp: ftp://x/\n', 4, `${at}.otlp`, /expected a URL/],
  ['records:\n  sinks:\n    a:\n      otlp: https://u:p@x/\n', 4, `${at}.otlp`, /without user/],
  ['records:\n  sinks:\n    a:\n      otlp: http://far.example/\n', 4, `${at}.otlp`, /unencrypted/],
  [
    'records:\n  sinks:\n    a:\n      nats: nats://far.example\n      stream: S\n',
    4,
    `${at}.nats`,
    /unencr/,
  ],
  ['records:\n  sinks:\n    a:\n      nats: nats://127.0.0.1:4222\n', 3, at, /stream is missing/],
  ['records:\n  sinks:\n    a:\n      directory: x\n', 4, `${at}.directory`, /absolute/],
  [
    'records:\n  sinks:\n    a:\n      directory: /x\n      window: 3\n',
    5,
    `${at}.window`,
    /no such setting/,
  ],
  ['records:\n  sinks:\n    a:\n      directory: /x\n      bandwidth: 9\n', 5, `${at}.bandwidth`, /rate/],
  ['records:\n  sinks:\n    a:\n      directory: /x\n      verdicts: [no]\n', 5, `${at}.verdicts`, /list of/],
  ['records:\n  sinks:\n    a:\n      otlp: https://x/\n      ca: /nowhere/x\n', 5, `${at}.ca`, /ENOENT/],
  [
    'records:\n  sinks:\n    a:\n      otlp: https://x/\n      key: /dev/null\n',
    5,
    `${at}.key`,
    /not a file/,
  ],
  [
    'records:\n  sinks:\n    a:\n      otlp: https://x/\n      headers: { Authorization: x }\n',
    5,
    `${at}.headers`,
    /token-file/,
  ],
  [
    'records:\n  sinks:\n    a:\n      otlp: https://x/\n      witness: { url: https://w/, key: k }\n',
    5,
    `${at}.witness.key`,
    /verifier key/,
  ],
];

t.test('a wrong setting of a sink is an error with file, line and key', async (t) => {
  for (const [text, line, key, message] of wrong)
    t.throws(
      () => parseSettings('f', text),
      { code: 'config-invalid', message, facts: { file: 'f', line, key } },
      text,
    );
});

t.test('a secret that others can read is refused', async (t) => {
  const path = join(temporaryDirectory(t), 'token');
  writeFileSync(path, 'x');
  chmodSync(path, 0o640);
  const text = `records:\n  sinks:\n    a:\n      otlp: https://x/\n      token-file: ${path}\n`;
  t.throws(() => parseSettings('f', text), { message: /chmod 600/, facts: { line: 5 } });
});

t.test('credentials go to nobody in the clear, unless the settings insist', async (t) => {
  const text = (more: string): string =>
    `records:\n  sinks:\n    a:\n      otlp: http://far.example/v1/logs\n${more}`;
  t.throws(() => parseSettings('f', text('')), /unencrypted: true/);
  t.match(parseSettings('f', text('      unencrypted: true\n')).records?.sinks, [{ kind: 'otlp' }]);
});

t.test('a secret of the vault stands in place of a file', async (t) => {
  const certificate = join(temporaryDirectory(t), 'client.pem');
  writeFileSync(certificate, 'CERT');
  const text = `records:
  sinks:
    siem: { otlp: "https://c.example/v1/logs", token-file: { secret: siem-token }, certificate: ${certificate}, key: { secret: siem.key } }
    fleet: { nats: "tls://a.example:4222", stream: AUDIT, credentials: { secret: fleet } }
`;
  const [siem, fleet] = parseSettings('f', text).records?.sinks ?? [];
  t.match(siem, {
    secrets: { token: 'siem-token', key: 'siem.key' },
    tls: { certificate: Buffer.from('CERT') },
  });
  t.match(fleet, { secrets: { credentials: 'fleet' } });
  const wrong = [
    'token-file: { secret: "Siem Token" }',
    'token-file: { secret: siem, file: /x }',
    'token-file: { secrets: siem }',
    'credentials: { secret: siem }',
    'key: { secret: siem }',
  ];
  for (const each of wrong)
    t.throws(
      () => parseSettings('f', `records:\n  sinks:\n    siem: { otlp: "https://c.example", ${each} }\n`),
      { code: 'config-invalid', facts: { file: 'f', line: 3 } },
      each,
    );
});
