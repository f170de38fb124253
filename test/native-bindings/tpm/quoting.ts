// One of two processes that want the same TPM: ten quotes, then its end says how it went.
import { createPrimary, held, openTpm, quote } from '../../../native-bindings/tpm/mod.ts';
import { ALG, RH, templates } from '../../../native-bindings/tpm/wire/mod.ts';

// Short rests: without a resource manager an emulator serves one connection after the other.
const tpm = openTpm({ name: process.argv[2] ?? '', deadline: 20_000, idle: 10 });
for (let i = 0; i < 10; i++) {
  await tpm.use((transport) =>
    held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), (key) =>
      quote(transport, key, Buffer.of(i), { alg: ALG.SHA256, pcrs: [0] }),
    ),
  );
  tpm.close();
}
