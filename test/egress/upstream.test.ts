// TLS that egress speaks for the agent: verified, or not at all. The daemon's part is played by the real authority.
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import t from 'tap';
import { createTokenVerifier } from '../../daemon/tokens/token-verifier.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tlsAuthority } from '../support/tls-authority.ts';
import { issuer, minter } from './minter.ts';
import { http, https, plain, startTls } from './servers.ts';
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
import type { Grant } from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

const tls = (port = 443, ca?: string) =>
  ({ protocol: 'tls', port, ...(ca === undefined ? {} : { ca }) }) as const;
const dpop = { audience: 'urn:api', type: 'dpop' } as const;
const internal = '10.1.2.3';
/** Servers that are wrong in one way each, by the port they are at. */
const wrong = {
  name: 8441,
  self: 8442,
  expired: 8443,
  old: 8444,
  text: 8445,
  cn: 8446,
  usage: 8447,
  h2: 8448,
};
const gone = { closes: 8451, nothing: 8452 };
const failing: readonly (readonly [string, number])[] = [...Object.entries(wrong), ...Object.entries(gone)];
const grants: readonly Grant[] = [
  { host: 'api.example.com', port: 80, token: dpop, upstream: tls() },
  { host: 'files.example.com', port: 80, token: { audience: 'urn:files', type: 'upload' }, upstream: tls() },
  { host: 'clear.example.com', port: 80, token: dpop },
  { host: 'plain.example.com', port: 80 },
  { host: 'odd.example.com', port: 8000, upstream: tls(8449) },
  { host: 'bare.example.com', port: 80, upstream: tls(443, '/own/missing.pem') },
  { host: 'own.example.com', port: 80, upstream: tls(443, '/own/other.pem') },
  { host: 'inside.example.com', port: 80, upstream: tls() },
  { host: internal, port: 80 },
  ...failing.map(([name, port]) => ({
    host: `${name}.example.com`,
    port: 80,
    token: dpop,
    upstream: tls(port),
  })),
];
const hosts = Object.fromEntries(
  grants.map(({ host }) => [host, [host === 'inside.example.com' ? internal : alpha]]),
);
const file = Buffer.from('exactly this file');
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

t.test('requests that leave over TLS', { skip }, async (t) => {
  const authority = tlsAuthority(temporaryDirectory(t));
  const set = capabilities(grants);
  const daemon = await minter(t, set, ['urn:api', 'urn:files']);
  const asked: { what: string; body: object }[] = [];
  const session = await Session.start({
    set,
    hosts,
    authorities: { '': authority.ca, '/own/missing.pem': '' },
    tokens: (what, body) => {
      asked.push({ what, body });
      return daemon.answer(what, body);
    },
  });
  const heard: { headers: IncomingHttpHeaders; url: string; body: string; whole: boolean }[] = [];
  const servers: { readonly close: () => void }[] = [];
  const listener: Parameters<typeof http>[2] = (request, response) => {
    const chunks: Buffer[] = [];
    const { headers, url = '' } = request;
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('close', () =>
      heard.push({ headers, url, body: Buffer.concat(chunks).toString(), whole: request.complete }),
    );
    request.on('end', () => {
      if (url.startsWith('/moved')) response.setHeader('Location', 'http://elsewhere.example.net/v1/x');
      response.writeHead(url.startsWith('/moved') ? 307 : 200).end('done');
    });
    request.on('error', () => undefined);
  };
  const good = authority.issue('api.example.com', {
    names: ['api', 'files', 'odd', 'bare', 'own', 'inside'].map((name) => `DNS:${name}.example.com`).join(),
  });
  /** What leaves in clear text arrives here. */
  const clear = await http(alpha, 80, listener);
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  servers.push(
    clear,
    await https(alpha, 443, good, listener),
    await https(alpha, 8449, { ...good, maxVersion: 'TLSv1.2' }, listener),
    await https(internal, 443, good, listener),
    await https(alpha, wrong.name, authority.issue('other.example.com'), listener),
    await https(alpha, wrong.self, authority.alone('self.example.com'), listener),
    await https(alpha, wrong.expired, authority.issue('expired.example.com', { days: -1 }), listener),
    await https(alpha, wrong.old, { ...authority.issue('old.example.com'), ...old }, listener),
    await http(alpha, wrong.text, listener),
    await https(alpha, wrong.cn, authority.issue('cn.example.com', { names: '' }), listener),
    await https(alpha, wrong.usage, authority.issue('usage.example.com', { usage: 'clientAuth' }), listener),
    await https(alpha, wrong.h2, { ...authority.issue('h2.example.com'), ALPNProtocols: ['h2'] }, listener),
    await plain(alpha, gone.closes, (socket) => socket.destroy()),
  );
  t.teardown(async () => {
    await session.stop();
    for (const server of servers) server.close();
  });
  for (const name of Object.keys(hosts)) if (name !== internal) await session.lookup(name);
  t.beforeEach(() => {
    asked.splice(0);
    heard.splice(0);
    session.records.splice(0);
    clear.arrived.splice(0);
  });
  const say = async (text: string | Buffer, { address = alpha, port = 80 } = {}): Promise<string> => {
    const socket = await session.connect(address, port);
    socket.write(text);
    return (await readAll(socket)).toString();
  };
  const get = (host: string, path = '/v1/x', more = ''): string =>
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
  const denied = (reason: RegExp) => ({ kind: 'http', disposition: 'denied', reason });

  t.test(
    'the agent speaks plain HTTP, the server TLS: the token is attached in between, and holds',
    async (t) => {
      const own = 'Authorization: Basic mine\r\n';
      t.match(await say(get('api.example.com:80', '/v1/x?q=1', own)), /^HTTP\/1.1 200 /);
      const { headers, url } = heard[0]!;
      t.match([headers.host, url], ['api.example.com', '/v1/x?q=1']);
      const verifier = createTokenVerifier({ jwks: daemon.authority.jwks(), issuer, audience: 'urn:api' });
      const { authorization } = headers;
      const request = {
        authorization,
        dpop: String(headers['dpop']),
        method: 'GET',
        url: 'https://api.example.com/v1/x',
      };
      t.match(await verifier.verify(request), {
        details: [{ type: 'http', methods: ['GET'], host: 'api.example.com', port: 443, path: '/v1/x' }],
      });
      t.match(await session.record({ kind: 'http' }), {
        disposition: 'allowed',
        object: 'GET https://api.example.com:443/v1/x',
        detail: {
          tls: 'TLSv1.3',
          cipher: /^TLS_/,
          sni: 'api.example.com',
          certificate: /^[0-9a-f]{64}$/,
          jti: /^[\w-]{22}$/,
        },
      });
      t.match(await session.record({ operation: 'connect' }), {
        detail: { upstream: 'tls', upstreamPort: 443 },
      });
      t.equal(clear.arrived.length, 0);
    },
  );

  t.test('another port, TLS 1.2, no token, and several requests of one connection', async (t) => {
    const socket = await session.connect(alpha, 8000);
    for (const path of ['/one', '/two']) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: odd.example.com:8000\r\n\r\n`);
      t.match((await readSome(socket)).toString(), /^HTTP\/1.1 200 /);
    }
    socket.destroy();
    t.match(heard, [
      { url: '/one', headers: { host: 'odd.example.com:8449', authorization: undefined } },
      { url: '/two', headers: { host: 'odd.example.com:8449' } },
    ]);
    t.match(await session.record({ kind: 'http' }), { detail: { tls: 'TLSv1.2' } });
    t.strictSame(asked, []);
  });

  const reasons: Readonly<Record<string, readonly [title: string, reason: RegExp]>> = {
    name: ['a certificate for another name', /for another name/],
    self: ['a certificate signed by itself', /signed by nobody who is trusted/],
    expired: ['an expired certificate', /has expired/],
    old: ['a version below TLS 1.2', /no TLS that is accepted/],
    text: ['a server that answers in plain text', /not TLS/],
    cn: ['a certificate with its name in the subject alone', /for another name/],
    usage: ['a certificate that is not for servers', /not for servers/],
    h2: ['a server that speaks HTTP/2 alone', /does not speak HTTP\/1\.1/],
    closes: ['a server that closes at once', /closed the connection|ECONNRESET/],
    nothing: ['a port where nobody listens', /cannot be reached \(ECONNREFUSED\)/],
  };
  for (const [name, [title, reason]] of Object.entries(reasons))
    t.test(`${title}: no token, no request, and the reason said and on record`, async (t) => {
      const host = `${name}.example.com`;
      const answer = await say(get(host));
      t.match(answer, /^HTTP\/1.1 502 Bad Gateway\r\n/);
      t.match(answer, reason);
      const record = await session.record({ kind: 'http', disposition: 'denied' });
      t.match(record, { ...denied(reason), rule: { id: 'builtin/egress-upstream' } });
      t.match(record.object, `GET https://${host}:`);
      t.match(answer, `cordon explain ${session.records.indexOf(record) >= 0 ? 'test-' : ''}`);
      t.strictSame([asked, heard, clear.arrived.length], [[], [], 0]);
    });

  t.test('no certificates to verify by: nothing is dialed', async (t) => {
    t.match(await say(get('bare.example.com')), /^HTTP\/1.1 502 [^]*no certificates [^]*\/own\/missing\.pem/);
    t.match(await session.record({ kind: 'http' }), denied(/missing\.pem/));
    t.match(await say(get('own.example.com')), /^HTTP\/1.1 502 [^]*other\.pem/);
    t.strictSame(heard, []);
  });

  t.test('a private address must be granted on the port that is dialed too', async (t) => {
    const to = { address: internal };
    t.match(
      await say(get('inside.example.com'), to),
      /^HTTP\/1.1 403 [^]*10\.1\.2\.3:443, to which this leads/,
    );
    t.match(await session.record({ kind: 'http' }), { rule: { id: 'builtin/address-guard' } });
    t.strictSame(heard, []);
    await session.policy(capabilities([...grants, { host: internal, port: 443 }], 2), { '': authority.ca });
    t.match(await say(get('inside.example.com'), to), /^HTTP\/1.1 200 /);
    await session.policy(capabilities(grants, 3), { '': authority.ca });
  });

  t.test('a token leaves in clear text only where the profile says so, or for loopback', async (t) => {
    t.match(await say(get('clear.example.com')), /^HTTP\/1.1 403 [^]*leave in clear text[^]*upstream: tls/);
    t.match(await session.record({ kind: 'http' }), denied(/clear text/));
    t.strictSame([asked, heard], [[], []]);
  });

  t.test('a second request for a host that leaves another way goes nowhere', async (t) => {
    const two = (first: string, second: string): string =>
      `GET /1 HTTP/1.1\r\nHost: ${first}\r\n\r\nGET /2 HTTP/1.1\r\nHost: ${second}\r\nConnection: close\r\n\r\n`;
    t.match(await say(two('plain.example.com', 'api.example.com')), /200 [^]*403 [^]*leave over TLS/);
    t.match(await say(two('api.example.com', 'plain.example.com')), /200 [^]*403 [^]*over TLS to api/);
    t.match(await say(two('api.example.com', 'files.example.com')), /200 [^]*403 [^]*over TLS to api/);
    t.strictSame(
      heard.map(({ url }) => url),
      ['/1', '/1', '/1'],
    );
    t.equal(session.records.filter(({ disposition }) => disposition === 'denied').length, 3);
  });

  t.test('what is not plain HTTP never goes on in clear text: TLS, SSH, HTTP/2, silence', async (t) => {
    const socket = await session.connect(alpha, 80);
    await t.rejects(startTls(socket, 'api.example.com'), { message: /access.denied|alert/i });
    t.match(await session.record({ disposition: 'denied' }), {
      kind: 'connect',
      rule: { id: 'builtin/egress-upstream' },
      reason: /use http:\/\//,
    });
    t.equal(await say('SSH-2.0-x\r\n'), '');
    t.match(await say('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1.1 403 /);
    t.strictSame([heard, asked], [[], []]);
  });

  for (const mode of ['enforce', 'monitor'] as const)
    t.test(`a smuggled request is refused whole (${mode})`, async (t) => {
      await session.policy(capabilities(grants, mode === 'monitor' ? 5 : 4, mode), { '': authority.ca });
      const start = 'POST /v1/x HTTP/1.1\r\nHost: api.example.com\r\n';
      const inner = 'GET /smuggled HTTP/1.1\r\nHost: plain.example.com\r\n\r\n';
      const heads = {
        'two Content-Length': `Content-Length: 0\r\nContent-Length: ${inner.length}\r\n`,
        'chunked and a length': `Transfer-Encoding: chunked\r\nContent-Length: ${inner.length}\r\n`,
        'a folded line': `X-A: b\r\n Content-Length: ${inner.length}\r\n`,
        'a space before the colon': `Content-Length : ${inner.length}\r\n`,
        'a bare LF': `X-A: b\nContent-Length: ${inner.length}\r\n`,
      };
      for (const [name, fields] of Object.entries(heads)) {
        session.records.splice(0);
        t.match(await say(`${start}${fields}\r\n${inner}`), /^HTTP\/1.1 403 /, name);
        t.match(await session.record({ disposition: 'denied' }), { kind: 'http', reason: /^HTTP: / }, name);
      }
      t.strictSame([heard, asked, clear.arrived.length], [[], [], 0]);
      await session.policy(capabilities(grants, 6), { '': authority.ca });
    });

  t.test('a redirect to another host is the agent’s to follow: the token does not go there', async (t) => {
    const answer = await say(get('api.example.com', '/moved'));
    t.match(answer, /^HTTP\/1.1 307 [^]*elsewhere\.example\.net/);
    t.notMatch(answer, /DPoP/i);
    t.equal((await session.lookup('elsewhere.example.net')).answers?.length, 0);
    t.match(await say(get('elsewhere.example.net')), /^HTTP\/1.1 403 /);
    t.equal(asked.length, 1);
  });

  t.test(
    'a change of policy ends what is open, and what comes then goes by the new authorities',
    async (t) => {
      const socket = await session.connect(alpha, 80);
      socket.write('GET /1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n');
      await readSome(socket);
      const ended = readAll(socket);
      await session.policy(capabilities(grants, 7), { '': '' });
      await ended;
      t.match(await say(get('api.example.com')), /^HTTP\/1.1 502 [^]*no certificates/);
      await session.policy(capabilities(grants, 8), { '': authority.ca });
      t.match(await say(get('api.example.com')), /^HTTP\/1.1 200 /);
    },
  );

  t.test('uploads', async (t) => {
    const url = 'https://files.example.com/up';
    const put = (fields: string, body = file, path = '/up'): Buffer =>
      Buffer.concat([
        Buffer.from(
          `PUT ${path} HTTP/1.1\r\nHost: files.example.com\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${fields}\r\n`,
        ),
        body,
      ]);
    const refused = async (bytes: Buffer, reason: RegExp): Promise<void> => {
      t.match(await say(bytes), /^HTTP\/1.1 403 /);
      t.match(await session.record({ disposition: 'denied' }), { ...denied(reason) });
      t.ok(heard.every(({ whole }) => !whole));
      heard.splice(0);
      session.records.splice(0);
    };

    t.test('the file goes up once; twice is refused', async (t) => {
      const token = await daemon.upload(digest(file), url);
      t.match(await say(put(daemon.fields(token, url))), /^HTTP\/1.1 200 /);
      t.match(heard, [{ body: file.toString(), headers: { host: 'files.example.com' } }]);
      heard.splice(0);
      await refused(put(daemon.fields(token, url)), /no uses left/);
    });

    t.test('another digest never arrives whole', async () => {
      const other = Buffer.from(file.toString().replace('exactly', 'perhaps'));
      const token = await daemon.upload(digest(file), url);
      await refused(put(daemon.fields(token, url), other), /not the file of the token/);
    });

    t.test('a token of another destination, or of the same in clear text, is refused', async (t) => {
      const elsewhere = await daemon.upload(digest(file), 'https://files.example.com/other');
      await refused(put(daemon.fields(elsewhere, url)), /no upload to this place/);
      await t.rejects(daemon.upload(digest(file), 'http://files.example.com/up'), /carried on over TLS/);
    });

    t.test('a token that was revoked is refused', async () => {
      const token = await daemon.upload(digest(file), url);
      daemon.authority.revoke(
        daemon.authority.list({ by: 'id', value: token.claims.jti }),
        'a person said so',
      );
      await refused(put(daemon.fields(token, url)), /a person said so/);
    });

    t.test('after a kill every token of the session is refused', async () => {
      const token = await daemon.upload(digest(file), url);
      daemon.authority.revoke(daemon.authority.list({ by: 'session', value: 'one' }), 'killed');
      await refused(put(daemon.fields(token, url)), /killed/);
    });

    t.test('a pipelined second request to a path that is not granted arrives nowhere', async (t) => {
      const token = await daemon.upload(digest(file), url);
      const second = await daemon.upload(digest(file), url);
      const first = put(daemon.fields(token, url)).toString().replace('Connection: close\r\n', '');
      const both = Buffer.concat([Buffer.from(first), put(daemon.fields(second, url), file, '/etc')]);
      t.match(await say(both), /^HTTP\/1.1 200 [^]*403 [^]*no upload to this place/);
      t.strictSame(
        heard.map(({ url: path }) => path),
        ['/up'],
      );
      t.match(await session.record({ disposition: 'denied' }), denied(/no upload to this place/));
    });
  });
});

t.test('in monitor mode what fails over TLS does not go on in clear text', { skip }, async (t) => {
  const set = capabilities(
    [{ host: 'api.example.com', port: 80, token: dpop, upstream: tls() }],
    1,
    'monitor',
  );
  const session = await Session.start({ set, hosts: { 'api.example.com': [beta] } });
  const clear = await http(beta, 80, (_, response) => response.end('in clear text'));
  t.teardown(async () => {
    await session.stop();
    clear.close();
  });
  await session.lookup('api.example.com');
  for (const words of [
    'GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
    'SSH-2.0-x\r\n',
    'GET / HTTP/1.1\r\n\r\n',
  ]) {
    const socket = await session.connect(beta, 80);
    socket.write(words);
    t.notMatch((await readAll(socket)).toString(), /in clear text/);
  }
  t.equal(clear.arrived.length, 0);
  t.ok(session.records.some(({ disposition }) => disposition === 'denied'));
});
