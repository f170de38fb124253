import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import t from 'tap';
import { checkProof, memoryReplay } from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { http } from './servers.ts';
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
import type { TokenAnswer } from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

const hosts = {
  'api.example.com': [alpha],
  'files.example.com': [alpha],
  'plain.example.com': [alpha],
  'bearer.example.com': [beta],
};
const plainly = { protocol: 'plain' } as const;
const grants = [
  { host: 'api.example.com', port: 80, token: { audience: 'urn:api', type: 'dpop' }, upstream: plainly },
  {
    host: 'files.example.com',
    port: 80,
    token: { audience: 'urn:files', type: 'upload' },
    upstream: plainly,
  },
  { host: 'bearer.example.com', port: 80, token: { audience: 'urn:b', type: 'bearer' }, upstream: plainly },
  { host: 'plain.example.com', port: 80 },
  { host: 'files.example.com', port: 443, token: { audience: 'urn:files', type: 'upload' } },
] as const;
const file = Buffer.from('exactly this file, and no other');
const sha256 = createHash('sha256').update(file).digest('hex');

t.test('tokens of granted requests', { skip }, async (t) => {
  const asked: { what: string; body: Readonly<Record<string, string | number>> }[] = [];
  let answer: TokenAnswer = () => Promise.resolve({});
  const session = await Session.start({
    set: capabilities(grants),
    hosts,
    tokens: (what, body) => {
      asked.push({ what, body });
      return answer(what, body);
    },
  });
  const heard: { headers: IncomingHttpHeaders; url: string; body: string; whole: boolean }[] = [];
  const servers: Awaited<ReturnType<typeof http>>[] = [];
  for (const address of [alpha, beta])
    servers.push(
      await http(address, 80, (request, response) => {
        const chunks: Buffer[] = [];
        const { headers, url = '' } = request;
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('close', () =>
          heard.push({ headers, url, body: Buffer.concat(chunks).toString(), whole: request.complete }),
        );
        request.on('end', () => response.end('done'));
        request.on('error', () => undefined);
      }),
    );
  t.teardown(async () => {
    await session.stop();
    for (const server of servers) server.close();
  });
  for (const name of Object.keys(hosts)) await session.lookup(name);
  t.beforeEach(() => {
    asked.splice(0);
    heard.splice(0);
    session.records.splice(0);
  });
  const say = async (text: string | Buffer, address = alpha): Promise<string> => {
    const socket = await session.connect(address, 80);
    socket.write(text);
    return (await readAll(socket)).toString();
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };

  t.test(
    'a token is asked for every request, attached with a proof, and replaces what the agent said',
    async (t) => {
      answer = async () => ({ token: 'aaa.bbb.ccc', jti: 'j1' });
      const socket = await session.connect(alpha, 80);
      socket.write(
        'GET /v1/x?secret=1 HTTP/1.1\r\nHost: api.example.com\r\nauthorization: Basic mine\r\nX-Other: yes\r\n\r\n',
      );
      await readSome(socket);
      socket.write(
        'POST /v1/y HTTP/1.1\r\nHost: api.example.com\r\nDPoP: mine\r\nContent-Length: 2\r\n\r\nok',
      );
      await readSome(socket);
      socket.destroy();
      t.match(asked, [
        {
          what: 'attach',
          body: { audience: 'urn:api', method: 'GET', host: 'api.example.com', port: 80, path: '/v1/x' },
        },
        { what: 'attach', body: { method: 'POST', path: '/v1/y', jkt: /^[\w-]{43}$/ } },
      ]);
      const [first, second] = heard;
      t.match(first, {
        url: '/v1/x?secret=1',
        headers: { authorization: 'DPoP aaa.bbb.ccc', 'x-other': 'yes' },
      });
      t.equal(second?.body, 'ok');
      const expected = { method: 'GET', url: 'http://api.example.com/v1/x', token: 'aaa.bbb.ccc' };
      const jkt = await checkProof(String(first?.headers['dpop']), expected, memoryReplay(), Date.now());
      t.equal(jkt, asked[0]!.body['jkt']);
      t.match(await session.record({ kind: 'http' }), { disposition: 'allowed', detail: { jti: 'j1' } });
      t.notMatch(JSON.stringify(session.records), /aaa\.bbb/);
    },
  );

  t.test('a bearer token, and none for a grant that wants none, on the same connection', async (t) => {
    answer = async () => ({ token: 'x.y.z', jti: 'j2' });
    const get = (host: string) =>
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nAuthorization: mine\r\n\r\n`;
    await say(get('bearer.example.com'), beta);
    t.match(heard[0]?.headers, { authorization: 'Bearer x.y.z', dpop: undefined });
    t.equal(asked[0]?.body['jkt'], '');
    await say(get('plain.example.com'));
    t.equal(heard[1]?.headers.authorization, 'mine');
    t.equal(asked.length, 1);
  });

  t.test('no token, no request; on record with the reason', async (t) => {
    answer = async () => Promise.reject(new Error('the session asks too often'));
    t.match(
      await say('GET /v1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n'),
      /^HTTP\/1.1 403 [^]*asks too often/,
    );
    t.strictSame(heard, []);
    t.match(await session.record({ kind: 'http' }), {
      disposition: 'denied',
      rule: { id: 'builtin/egress-token' },
      reason: 'the session asks too often',
    });
  });

  const key = newProofKey();
  const proof = key.prove({
    method: 'PUT',
    url: 'http://files.example.com/up',
    token: 'a.b.c',
    now: Date.now(),
  });
  const put = (body: Buffer | string, framing: string, more = ''): Buffer =>
    Buffer.concat([
      Buffer.from(
        `PUT /up HTTP/1.1\r\nHost: files.example.com\r\nConnection: close\r\nAuthorization: DPoP a.b.c\r\nDPoP: ${proof}\r\n${more}${framing}\r\n\r\n`,
      ),
      Buffer.from(body),
    ]);
  const length = (bytes: Buffer): string => `Content-Length: ${bytes.length}`;
  const chunked = (bytes: Buffer): string =>
    `${[bytes.subarray(0, 7), bytes.subarray(7)].map((piece) => `${piece.length.toString(16)}\r\n${piece.toString()}\r\n`).join('')}0\r\n\r\n`;

  t.test('exactly the file goes up, by length and in chunks', async (t) => {
    answer = async () => ({ jti: 'j3', sha256, size: file.length });
    t.match(await say(put(file, length(file))), /^HTTP\/1.1 200 /);
    t.match(await say(put(chunked(file), 'Transfer-Encoding: chunked')), /^HTTP\/1.1 200 /);
    t.match(heard, [
      { body: file.toString(), whole: true },
      { body: file.toString(), whole: true },
    ]);
    t.match(asked[0], {
      what: 'use',
      body: { audience: 'urn:files', method: 'PUT', path: '/up', token: 'a.b.c', proof },
    });
  });

  t.test('another file of the same length never arrives whole, and is denied', async (t) => {
    answer = async () => ({ jti: 'j4', sha256, size: file.length });
    const other = Buffer.from(file.toString().replace('exactly', 'perhaps'));
    for (const bytes of [put(other, length(other)), put(chunked(other), 'Transfer-Encoding: chunked')]) {
      heard.splice(0);
      session.records.splice(0);
      const socket = await session.connect(alpha, 80);
      // Piece by piece: what comes before the end is passed on, the end is not.
      const cut = bytes.length - 12;
      socket.write(bytes.subarray(0, cut));
      await session.record({ kind: 'http', disposition: 'allowed' });
      socket.write(bytes.subarray(cut));
      t.match((await readAll(socket)).toString(), /not the file of the token/);
      await until(() => heard.length > 0);
      t.match(heard, [{ whole: false }]);
      t.match(await session.record({ disposition: 'denied' }), {
        kind: 'http',
        reason: /not the file of the token: SHA-256/,
        detail: { jti: 'j4' },
      });
    }
  });

  t.test(
    'another length, another method, no token, two tokens, an upgrade: nothing arrives and no use is taken',
    async (t) => {
      answer = async () => ({ jti: 'j5', sha256, size: file.length });
      t.match(await say(put('short', 'Content-Length: 5')), /403 [^]*file of 31 bytes, the request says 5/);
      asked.splice(0);
      t.match(await say(put(file, length(file)).toString().replace('PUT', 'PATCH')), /403 [^]*PUT or POST/);
      t.match(await say(put(file, length(file), 'Authorization: DPoP d.e.f\r\n')), /403 [^]*once each/);
      t.match(
        await say(`PUT /up HTTP/1.1\r\nHost: files.example.com\r\n${length(file)}\r\n\r\n${file.toString()}`),
        /403 [^]*once each/,
      );
      const upgrade = put('', 'Content-Length: 0', 'Upgrade: websocket\r\n');
      t.match(await say(upgrade), /403 [^]*change the protocol/);
      t.strictSame(asked, []);
      t.strictSame(heard, []);
    },
  );

  t.test('an empty body is no file, unless the token is for the empty one', async (t) => {
    answer = async () => ({ jti: 'j6', sha256, size: -1 });
    t.match(await say(put('', 'Content-Length: 0')), /403 [^]*not the file/);
    t.strictSame(heard, []);
    answer = async () => ({ jti: 'j7', sha256: createHash('sha256').digest('hex'), size: 0 });
    t.match(await say(put('', 'Content-Length: 0')), /^HTTP\/1.1 200 /);
  });

  t.test('a refused token uploads nothing', async (t) => {
    answer = async () => Promise.reject(new Error('the token has no uses left'));
    t.match(await say(put(file, length(file))), /403 [^]*no uses left/);
    t.strictSame(heard, []);
  });

  t.test('an upload grant passes nothing that cannot be read', async (t) => {
    for (const words of [Buffer.from('SSH-2.0-x\r\n'), hello('files.example.com')]) {
      session.records.splice(0);
      const socket = await session.connect(alpha, 443);
      socket.write(words);
      await readAll(socket);
      t.match(await session.record({ disposition: 'denied' }), { kind: 'connect' });
    }
    t.match(session.records.at(-1)?.reason, /must be plain HTTP/);
  });
});

/** A minimal ClientHello with this server name. */
function hello(name: string): Buffer {
  const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
  const sized = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
  const host = Buffer.concat([Buffer.from([0]), sized(Buffer.from(name))]);
  const sni = Buffer.concat([u16(0), sized(sized(host))]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([0]),
    sized(u16(0x1301)),
    Buffer.from([1, 0]),
    sized(sni),
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(handshake)]);
}
