// A witness as C2SP tlog-witness and tlog-cosignature have it, for one log, strict: it signs what it has checked.
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import {
  cosign,
  cosignatureVerifier,
  formatVerifierKey,
  hashFromBase64,
  holdsConsistency,
  openNote,
  parseCheckpoint,
  publicKeyOf,
  rawPublicKey,
} from '../../daemon/proof/mod.ts';
import type { Checkpoint, NoteVerifier } from '../../daemon/proof/mod.ts';

export interface TestWitness {
  readonly url: string;
  readonly key: string;
  readonly verifier: NoteVerifier;
  /** What it has cosigned, and how it answered otherwise. */
  readonly answers: readonly string[];
  /** Signs with another key than the one it says it has. */
  lie: boolean;
}

export async function startWitness(t: Test, log: NoteVerifier): Promise<TestWitness> {
  const name = 'witness.test/w1';
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const other = createPrivateKey(
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  const verifier = cosignatureVerifier(name, rawPublicKey(publicKey));
  publicKeyOf(verifier.publicKey);
  const answers: string[] = [];
  let last: Checkpoint | undefined;

  const answer = (response: ServerResponse, body: string): void => {
    const refuse = (status: number, text = ''): void => {
      answers.push(`${status} ${text}`.trim());
      response.writeHead(status, status === 409 ? { 'Content-Type': 'text/x.tlog.size' } : {}).end(text);
    };
    const split = body.indexOf('\n\n');
    const [first = '', ...lines] = body.slice(0, split).split('\n');
    const old = Number(/^old (0|[1-9]\d*)$/.exec(first)?.[1] ?? NaN);
    const note = body.slice(split + 2);
    const { text } = openNote(note, [log]);
    const checkpoint = parseCheckpoint(text);
    if (!(old <= checkpoint.size)) {
      refuse(400);
      return;
    }
    if (old !== (last?.size ?? 0)) {
      refuse(409, `${last?.size ?? 0}\n`);
      return;
    }
    const proof = lines.map((line) => hashFromBase64(line) ?? '');
    const holds =
      last === undefined
        ? proof.length === 0
        : holdsConsistency({
            first: last.size,
            firstRoot: last.root,
            second: checkpoint.size,
            secondRoot: checkpoint.root,
            proof,
          });
    if (!holds) {
      refuse(422);
      return;
    }
    last = checkpoint;
    answers.push(`cosigned ${checkpoint.size}`);
    const signer = { name, publicKey: verifier.publicKey };
    const key = witness.lie ? other : privateKey;
    const seconds = Math.floor(Date.now() / 1000);
    response.end(cosign(text, seconds, { ...signer, sign: (message) => sign(null, message, key) }));
  };

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      if (request.url === '/add-checkpoint') answer(response, body);
      else response.writeHead(404).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const witness: TestWitness = { url, key: formatVerifierKey(verifier), verifier, answers, lie: false };
  return witness;
}
