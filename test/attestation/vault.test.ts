// What the vault of cordond's keys keeps when it is recovered. The TPM is real (emulated).
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordKeyName, Vault } from '../../daemon/attestation/mod.ts';
import { openWithEscrow } from '../../daemon/evidence/mod.ts';
import { openTpm } from '../../native-bindings/tpm/mod.ts';
import { escrowKeys } from '../support/escrow.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = noSwtpm ?? false;

t.test('recovery of an open vault takes back nothing that was written since', { skip }, async (t) => {
  const { name } = await startSwtpm(t, { certified: false });
  const tpm = openTpm({ name, deadline: 20_000 });
  t.teardown(() => tpm.close());
  const { publicKey: escrow, privateKey } = escrowKeys();
  const options = { bank: 'sha256', pcrs: [0, 7], escrow };
  const file = join(temporaryDirectory(t), 'sealed.json');
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const vault = await Vault.make(
    file,
    new Map([
      [recordKeyName, key],
      ['tokens', 'old'],
    ]),
    tpm,
    options,
  );
  const earlier = openWithEscrow(vault.sealed, privateKey);

  vault.write('tokens', 'new');
  await vault.recover(earlier, { tpm, options });
  t.equal(vault.read('tokens'), 'new');

  const sealing = vault.recover(earlier, { tpm, options });
  vault.write('tokens', 'newest');
  await sealing;
  t.equal(vault.read('tokens'), 'newest', 'nor what is written meanwhile');

  const again = Vault.read(file, readFileSync(file, 'utf8'));
  await again.unlock(tpm);
  t.equal(again.problem, undefined);
  t.equal(again.read('tokens'), 'newest', 'and so says the file');
});
