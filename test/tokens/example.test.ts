import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  claimsJson,
  jwksOf,
  newPrivateJwk,
  signStatusList,
  softwareKey,
  tokenType,
} from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { exampleText, startExample } from './example.ts';
import { issuer, sampleClaims } from './support.ts';

const library = fileURLToPath(new URL('../../daemon/tokens/token-verifier.ts', import.meta.url));

t.test('the example of a backend in TOKENS.md is short, and does what it says', async (t) => {
  t.ok(exampleText().trim().split('\n').length <= 24, 'some twenty lines');
  const published = temporaryDirectory(t);
  const key = softwareKey(newPrivateJwk('ES256'));
  const facts = { issuer, uri: 'file:///x', now: Date.now(), ttl: 60, lifetime: 3600 };
  writeFileSync(join(published, 'jwks.json'), JSON.stringify(jwksOf([key])));
  writeFileSync(join(published, 'status.jwt'), await signStatusList(key, [9], facts));
  const port = await startExample(t, published, { library, published, issuer, audience: 'urn:api' });
  const url = `http://127.0.0.1:${port}/v1/x`;
  const proofKey = newProofKey();
  const seconds = Math.floor(Date.now() / 1000);
  const token = (idx: number) =>
    key.sign(
      tokenType,
      claimsJson(
        sampleClaims({
          aud: 'urn:api',
          jkt: proofKey.thumbprint,
          iat: seconds,
          nbf: seconds,
          exp: seconds + 60,
          jti: String(idx).padStart(22, 'A'),
          status: { idx, uri: 'file:///x' },
          details: [{ type: 'http', methods: ['GET'], host: '127.0.0.1', port, path: '/v1/*' }],
        }),
      ),
    );
  const ask = async (given: string, by = proofKey): Promise<string> => {
    const dpop = by.prove({ method: 'GET', url, token: given, now: Date.now() });
    const response = await fetch(url, { headers: { authorization: `DPoP ${given}`, dpop } });
    return `${response.status} ${await response.text()}`;
  };
  const good = await token(1);
  t.equal(await ask(good), '200 hello, codex of nobody');
  t.equal(await ask(good), '401 the token has no uses left');
  t.equal(
    await ask(await token(2), newProofKey()),
    '401 the proof is by another key than the token is bound to',
  );
  t.equal(await ask(await token(9)), '401 the token was revoked');
  t.match(await (await fetch(url)).text(), /no Authorization/);

  // What a client says in Host must not become a path that its token permits.
  const other = await token(3);
  const dpop = proofKey.prove({ method: 'GET', url, token: other, now: Date.now() });
  const asked = httpRequest({
    ...{ host: '127.0.0.1', port, path: '/admin' },
    headers: { host: `127.0.0.1:${port}/v1/x?`, authorization: `DPoP ${other}`, dpop },
  }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  t.equal(`${answer.statusCode} ${await text(answer)}`, '401 the token does not permit this');
});
