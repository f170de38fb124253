// A process of its own that verifies a database: the daemon goes on answering meanwhile. Lines of JSON on stdout:
// {"done", "total"} now and then, {"result"} or {"error"} at the end.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseVerifierKey, rawPublicKey } from '../../proof/mod.ts';
import { readIfThere } from '../../../native-bindings/files/mod.ts';
import { verifyDatabase } from './verify.ts';

const { values } = parseArgs({
  options: {
    database: { type: 'string' },
    witness: { type: 'string', multiple: true },
    checkpoint: { type: 'string' },
    key: { type: 'string' },
  },
});
const { database = '', witness = [], checkpoint, key } = values;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** As cordond says: its key may be in the TPM. Else that of the file. */
function keyInUse(): Uint8Array | undefined {
  if (key !== undefined) return parseVerifierKey(key).publicKey;
  const pem = readIfThere(`${database}.key`);
  return pem === undefined ? undefined : rawPublicKey(createPublicKey(createPrivateKey(pem)));
}

try {
  const kept = checkpoint === undefined ? {} : { kept: readFileSync(checkpoint, 'utf8') };
  const witnesses = witness.map(parseVerifierKey);
  const request = { database, publicKey: keyInUse(), witnesses, ...kept };
  const result = await verifyDatabase(request, (done, total) => say({ done, total }));
  say({ result });
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
