import t from 'tap';
import { http, plain } from './servers.ts';
import {
  alpha,
  beta,
  capabilities,
  enterNamespace,
  readAll,
  readSome,
  Session,
  unavailable,
} from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

const hosts = { 'api.example.com': [alpha], 'second.example.com': [alpha], 'other.example.com': [beta] };
const grants = [
  { host: 'api.example.com', port: 80 },
  { host: 'second.example.com', port: 80 },
  { host: 'api.example.com', port: 8080 },
  { host: 'other.example.com', port: 80 },
];
const get = (path: string, host: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;

t.test('plain HTTP', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities(grants), hosts });
  const heard: string[] = [];
  const server = await http(alpha, 80, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      heard.push(`${request.method} ${request.headers.host}${request.url} ${Buffer.concat(chunks).length}`);
      response.end(`you asked ${request.url}`);
    });
  });
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  for (const name of Object.keys(hosts)) await session.lookup(name);
  t.beforeEach(() => {
    session.records.splice(0);
    heard.splice(0);
  });

  t.test('a request to a granted host passes and is recorded without its query', async (t) => {
    const socket = await session.connect(alpha, 80);
    socket.write(get('/v1/x?key=secret', 'API.example.com:80', 'Connection: close\r\n'));
    t.match((await readAll(socket)).toString(), /^HTTP\/1.1 200 [^]*you asked \/v1\/x\?key=secret/);
    t.match(await session.record({ kind: 'http' }), {
      operation: 'request',
      object: 'GET http://api.example.com:80/v1/x',
      object2: alpha,
      disposition: 'allowed',
    });
    t.notMatch(JSON.stringify(session.records), /secret/);
  });

  t.test('every request of a connection is checked like the first', async (t) => {
    const socket = await session.connect(alpha, 80);
    socket.write(get('/1', 'api.example.com'));
    t.match((await readSome(socket)).toString(), /you asked \/1/);
    socket.write(get('/2', 'second.example.com'));
    t.match((await readSome(socket)).toString(), /you asked \/2/);
    socket.write(get('/3', 'other.example.com'));
    const refusal = (await readAll(socket)).toString();
    t.match(refusal, /^HTTP\/1.1 403 /);
    const denied = await session.record({ kind: 'http', disposition: 'denied' });
    t.match(denied, { object: 'GET http://other.example.com:80/3', reason: /no lookup in this session/ });
    t.same(heard, ['GET api.example.com/1 0', 'GET second.example.com/2 0']);
  });

  t.test('the refusal says its id, its rule and how to have it explained', async (t) => {
    const socket = await session.connect(alpha, 80);
    socket.write(get('/', 'evil.example.net'));
    const [head = '', body = ''] = (await readAll(socket)).toString().split('\r\n\r\n');
    const said = JSON.parse(body);
    t.match(said, {
      error: 'blocked by Cordon',
      rule: 'builtin/egress-authority',
      reason: /evil.example.net/,
    });
    t.equal(said.explain, `cordon explain ${said.id}`);
    t.match(head, new RegExp(`X-Cordon-Block: ${said.id}`));
    t.match(said.id, /^test-\d+$/);
  });

  t.test(
    'an address that was not granted is refused with a reason that an HTTP client can read',
    async (t) => {
      const socket = await session.connect('169.254.169.254', 80);
      socket.write(get('/latest/meta-data/', '169.254.169.254'));
      t.match((await readAll(socket)).toString(), /^HTTP\/1.1 403 [^]*metadata/);
      t.match(await session.record({ kind: 'http' }), { disposition: 'denied', reason: /metadata/ });
    },
  );

  const bodies = 'POST /up HTTP/1.1\r\nHost: api.example.com\r\n';
  t.test('bodies are framed, and requests sent ahead are all judged', async (t) => {
    const socket = await session.connect(alpha, 80);
    const chunked = `${bodies}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n`;
    const whole = `${bodies}Content-Length: 40\r\n\r\n${get('/not-a-request', 'evil').slice(0, 40)}`;
    for (const piece of `${chunked}${whole}${get('/last', 'api.example.com', 'Connection: close\r\n')}`.match(
      /[^]{1,17}/g,
    )!)
      socket.write(piece);
    await readAll(socket);
    t.equal(heard.length, 3);
    t.match(heard, ['POST api.example.com/up 15', 'POST api.example.com/up', 'GET api.example.com/last 0']);
    t.equal(session.records.filter(({ kind }) => kind === 'http').length, 3);
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['CONNECT', 'CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n', /CONNECT/],
    ['absolute form', 'GET http://evil.example.net/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n', /not a path/],
    [
      'absolute form of the same host',
      'GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
      /not a path/,
    ],
    ['two Hosts', get('/', 'api.example.com', 'Host: evil.example.net\r\n'), /more than one Host/],
    ['two equal Hosts', get('/', 'api.example.com', 'host: api.example.com\r\n'), /more than one Host/],
    ['no Host', 'GET / HTTP/1.0\r\n\r\n', /no Host/],
    ['user information', get('/', 'api.example.com@evil.example.net'), /user information/],
    ['another port', get('/', 'api.example.com:8080'), /port 8080/],
    ['a numeric spelling', get('/', '2852039166'), /not a host name/],
    ['a folded line', get('/', 'api.example.com', 'X: a\r\n b\r\n'), /folded/],
    ['a space before the colon', get('/', 'api.example.com', 'X : a\r\n'), /malformed header/],
    ['a bare LF', 'GET / HTTP/1.1\nHost: api.example.com\n\n', /bare CR or LF/],
    ['a bare CR', get('/', 'api.example.com', 'X: a\rb\r\n'), /bare CR or LF/],
    ['a NUL', get('/', 'api.example.com', 'X: a\0b\r\n'), /control character/],
    ['length and chunked', `${bodies}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, /beside/],
    ['two lengths', `${bodies}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, /Content-Length/],
    ['a signed length', `${bodies}Content-Length: +5\r\n\r\n`, /Content-Length/],
    ['another coding', `${bodies}Transfer-Encoding: gzip, chunked\r\n\r\n`, /Transfer-Encoding/],
    [
      'chunked in HTTP/1.0',
      `${bodies.replace('HTTP/1.1', 'HTTP/1.0')}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /Transfer-Encoding in HTTP\/1\.0/,
    ],
    ['an empty line before', `\r\n${get('/', 'api.example.com')}`, /malformed request line/],
    ['HTTP/2 at once', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /malformed request line/],
    ['a head that is too long', get('/', 'api.example.com', `X: ${'a'.repeat(17000)}\r\n`), /longer than/],
  ];
  for (const [what, request, reason] of bad) {
    t.test(`a request is refused and not sent on: ${what}`, async (t) => {
      const socket = await session.connect(alpha, 80);
      socket.write(request);
      t.match((await readAll(socket)).toString(), /^HTTP\/1.1 403 /);
      t.match(await session.record({ kind: 'http' }), { disposition: 'denied', reason, layer: 'egress' });
      t.same(heard, []);
    });
  }

  t.test('bad framing in the middle of a connection ends it', async (t) => {
    const socket = await session.connect(alpha, 80);
    socket.write(`${bodies}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n${get('/', 'evil')}`);
    await readAll(socket);
    t.match(await session.record({ kind: 'http', disposition: 'denied' }), { reason: /chunked framing/ });
    t.notOk(heard.some((line) => line.includes('evil')));
  });

  t.test('a connection that becomes a WebSocket is opaque from then on, and only then', async (t) => {
    const web = await plain(alpha, 8080, (socket) => {
      socket.on('data', (chunk) => {
        const text = chunk.toString('latin1');
        if (text.startsWith('GET /ws')) socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
        else if (text.startsWith('GET /no')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        else socket.write(Buffer.from(`got ${text}`, 'latin1'));
      });
      socket.on('end', () => socket.end());
    });
    t.teardown(() => web.close());
    const upgrade = 'Connection: upgrade\r\nUpgrade: websocket\r\n';
    const open = await session.connect(alpha, 8080);
    open.write(get('/ws', 'api.example.com', upgrade));
    t.match((await readSome(open)).toString(), /101/);
    open.write(Buffer.from([0x81, 0x80]));
    t.match((await readSome(open)).toString('latin1'), /got \x81\x80/);
    open.destroy();
    const shut = await session.connect(alpha, 8080);
    shut.write(get('/no', 'api.example.com', upgrade));
    t.match((await readSome(shut)).toString(), /200/);
    shut.write(get('/', 'evil.example.net'));
    t.match((await readAll(shut)).toString(), /403/);
  });
});

t.test('monitor mode lets it pass and says what would have been denied', { skip }, async (t) => {
  const session = await Session.start({ set: capabilities([], 1, 'monitor'), hosts });
  const server = await http(alpha, 80, (_request, response) => response.end('served'));
  t.teardown(async () => {
    await session.stop();
    server.close();
  });
  await session.lookup('api.example.com');
  for (const host of ['api.example.com', 'evil.example.net']) {
    const socket = await session.connect(alpha, 80);
    socket.write(get('/', host, 'Connection: close\r\n'));
    t.match((await readAll(socket)).toString(), /served/);
    t.match(await session.record({ object: `GET http://${host}:80/` }), { disposition: 'would-deny' });
  }
  const guarded = await session.connect('127.0.0.1', 80);
  guarded.write(get('/', 'api.example.com'));
  t.match((await readAll(guarded)).toString(), /403/);
});
