// A verifier that goes away in the middle of its answer, or says too much: the command ends, and says why.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { verifierOf } from '../../daemon/cli/attest/verifier-client.ts';
import type { VerbContext } from '../../daemon/cli/verb.ts';
import { temporaryDirectory } from '../support/temporary.ts';

t.test('a verifier’s answer that never comes whole', { timeout: 20_000 }, async (t) => {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const made = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const named = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', at('key.pem'), '-out', at('cert.pem')];
  t.equal(spawnSync('openssl', ['req', ...made, ...named, ...files]).status, 0);
  let answer = (response: ServerResponse): void => void response.end('{}');
  const tls = { cert: readFileSync(at('cert.pem')), key: readFileSync(at('key.pem')) };
  const server = createServer(tls, (_request, response) => answer(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const verifier = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = verifierOf({ options: { verifier, ca: at('cert.pem') } } as unknown as VerbContext)!;
  t.same(await client.post('/v1/nonce', '{}'), {});

  answer = (response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"half":', () => response.socket?.destroy());
  };
  await t.rejects(client.post('/v1/nonce', '{}'), { code: 'unavailable', message: /cannot be used/ });
  answer = (response) => {
    response.write('{"half":', () => response.socket?.destroy());
  };
  await t.rejects(client.post('/v1/nonce', '{}'), { code: 'unavailable', message: /cannot be used/ });
  answer = (response) => void response.end(`"${'x'.repeat(2 * 1024 * 1024)}"`);
  await t.rejects(client.post('/v1/nonce', '{}'), { code: 'unavailable', message: /too long/ });
});
