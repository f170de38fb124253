// `cordon verifier serve` of dist/, over HTTPS on a free port, for a software TPM.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { JWK } from 'jose';
import type { Test } from 'tap';
import { cordonProgram } from './cordon.ts';
import type { Swtpm } from './swtpm.ts';
import { temporaryDirectory } from './temporary.ts';

const run = promisify(execFile);

export interface VerifierService {
  readonly port: number;
  readonly url: string;
  /** `--state` of it. */
  readonly state: string;
  /** Certificate of its authority, which is itself (PEM file). */
  readonly ca: string;
  /** File with the public key of its results, for cordond's settings. */
  readonly key: string;
  /** For `cordon attest …`. */
  readonly online: readonly string[];
}

/** `more`: further arguments. */
export async function startVerifier(
  t: Pick<Test, 'teardown'>,
  swtpm: Swtpm,
  more: readonly string[] = [],
): Promise<VerifierService> {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('tls.key')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', ...key, '-out', at('tls.crt'), '-days', '2', ...subject]);
  writeFileSync(at('reference.json'), JSON.stringify({ 'allow-software': true }));
  const serve = ['verifier', 'serve', '--json', '--state', at('state'), '--listen', '127.0.0.1:0'];
  const tls = ['--cert', at('tls.crt'), '--cert-key', at('tls.key'), '--reference', at('reference.json')];
  const roots = ['--software-roots', swtpm.root, '--intermediates', swtpm.issuer, '--issuer', 'test'];
  const child = spawn(cordonProgram, [...serve, ...tls, ...roots, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { port } = JSON.parse(line.toString()) as { port: number };
  const { kty, crv, x, alg } = JSON.parse(readFileSync(at('state/verifier.jwk'), 'utf8')) as JWK;
  writeFileSync(at('verifier.pub.jwk'), JSON.stringify({ kty, crv, x, alg }));
  const url = `https://127.0.0.1:${port}`;
  return {
    port,
    url,
    state: at('state'),
    ca: at('tls.crt'),
    key: at('verifier.pub.jwk'),
    online: ['--verifier', url, '--ca', at('tls.crt')],
  };
}
