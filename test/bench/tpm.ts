// What the TPM's own time is, what ours is on top of it, and what a process of tpm2-tools takes for the same.
//   bash daemon/scripts/node24.sh test/bench/tpm.ts
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import {
  createPrimary,
  defineCounter,
  held,
  incrementNv,
  quote,
  readPcrs,
  signDigest,
} from '../../native-bindings/tpm/mod.ts';
import type { Transport } from '../../native-bindings/tpm/mod.ts';
import { ALG, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { startSwtpm } from '../support/swtpm.ts';

const endings: (() => unknown)[] = [];
const owner = { teardown: (work: () => unknown) => void endings.push(work) };
const swtpm = await startSwtpm(owner, { certified: false });
const socket = swtpm.name.replace('swtpm:path=', '');

interface Times {
  /** A tenth took less: what is left when other programs are not in the way. */
  readonly low: number;
  readonly median: number;
}
const timesOf = (times: readonly number[]): Times => {
  const sorted = times.toSorted((a, b) => a - b);
  return { low: sorted[Math.floor(sorted.length / 10)] ?? 0, median: sorted[sorted.length >> 1] ?? 0 };
};
const shown = ({ low, median }: Times): string =>
  `${low.toFixed(2).padStart(8)} ${median.toFixed(2).padStart(8)}`;

async function timed(rounds: number, work: () => Promise<unknown>): Promise<Times> {
  for (let i = 0; i < 10; i++) await work();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
  return timesOf(times);
}

/** The same bytes on the TPM's socket with nothing of ours between: its own time, and one round trip. */
async function bare(command: Buffer, rounds: number): Promise<Times> {
  const connection = createConnection(socket);
  await once(connection, 'connect');
  const time = await timed(rounds, async () => {
    connection.write(command);
    await once(connection, 'data');
  });
  connection.destroy();
  await once(connection, 'close');
  return time;
}

async function toolTime(...command: readonly string[]): Promise<Times> {
  return timed(10, () => swtpm.tool(...command));
}

const selection = { alg: ALG.SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 9, 14] };
const eight = { alg: ALG.SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7] };
const nonce = Buffer.alloc(32, 7);
const rounds = 300;

/** Median through our transport, and the bytes of one command, to be sent bare. */
async function ours(
  work: (transport: Transport) => Promise<unknown>,
): Promise<{ time: Times; command: Buffer }> {
  const tpm = swtpm.open();
  let command = Buffer.alloc(0);
  const time = await tpm.use(async (transport) => {
    const spying: Transport = {
      transceive: (bytes) => {
        command = Buffer.from(bytes);
        return transport.transceive(bytes);
      },
    };
    await work(spying);
    return timed(rounds, () => work(transport));
  });
  tpm.close();
  return { time, command };
}

const tpm = swtpm.open();
const handle = await tpm.use(async (transport) => {
  await defineCounter(transport, 0x0181c0d9);
  await incrementNv(transport, 0x0181c0d9);
  return (await createPrimary(transport, RH.ENDORSEMENT, templates.akP256)).handle;
});
tpm.close();
await swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', `0x${handle.toString(16)}`, '0x81000077');
await swtpm.tool('tpm2_flushcontext', '-t');
const key = { handle: 0x81000077 };
const signing = swtpm.open();
const signerHandle = await signing.use(
  async (transport) => (await createPrimary(transport, RH.OWNER, templates.signingP256('bench'))).handle,
);
signing.close();
await swtpm.tool('tpm2_evictcontrol', '-C', 'o', '-c', `0x${signerHandle.toString(16)}`, '0x81000078');
await swtpm.tool('tpm2_flushcontext', '-t');
const signer = { handle: 0x81000078 };

const digestFile = `${socket}.digest`;
writeFileSync(digestFile, nonce);
const rows: [string, (transport: Transport) => Promise<unknown>, readonly string[]][] = [
  [
    'Sign, P-256',
    (transport) => signDigest(transport, signer, nonce),
    ['tpm2_sign', '-c', '0x81000078', '-g', 'sha256', '-d', '-o', `${socket}.signature`, digestFile],
  ],
  ['PCR_Read of 8', (transport) => readPcrs(transport, eight), ['tpm2_pcrread', 'sha256:0,1,2,3,4,5,6,7']],
  [
    'Quote, P-256',
    (transport) => quote(transport, key, nonce, selection),
    ['tpm2_quote', '-c', '0x81000077', '-l', 'sha256:0,1,2,3,4,5,6,7,9,14', '-q', nonce.toString('hex')],
  ],
  ['NV_Increment', (transport) => incrementNv(transport, 0x0181c0d9), ['tpm2_nvincrement', '0x0181c0d9']],
];

process.stdout.write(
  'milliseconds, tenth and median       TPM bare               ours   ratio       tpm2-tools\n',
);
for (const [name, work, command] of rows) {
  const mine = await ours(work);
  const own = await bare(mine.command, rounds);
  const tool = await toolTime(...command);
  const ratio = (mine.time.low / own.low).toFixed(2).padStart(7);
  process.stdout.write(`${name.padEnd(27)}${shown(own)}  ${shown(mine.time)} ${ratio} ${shown(tool)}\n`);
}

/** Longest and median delay of the event loop during `work`, milliseconds; and how long the work took. */
async function delays(work: () => Promise<unknown>): Promise<{ max: number; median: number; took: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const begun = performance.now();
  delay.enable();
  await work();
  delay.disable();
  return { max: delay.max / 1e6, median: delay.percentile(50) / 1e6, took: performance.now() - begun };
}

const busy = swtpm.open();
await busy.use((transport) => readPcrs(transport, eight));
const working = await delays(async () => {
  await busy.use((transport) =>
    held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akRsa2048), () => Promise.resolve()),
  );
  for (let i = 0; i < 100; i++)
    await busy.use((transport) =>
      held(transport, createPrimary(transport, RH.ENDORSEMENT, templates.akP256), (ak) =>
        quote(transport, ak, nonce, selection),
      ),
    );
});
busy.close();
const idle = await delays(() => pause(working.took));
const line = (what: string, { max, median: middle }: { max: number; median: number }): string =>
  `event loop ${what}: longest delay ${max.toFixed(1)} ms, median ${middle.toFixed(1)} ms\n`;
process.stdout.write(line('while an RSA key and 100 P-256 keys are made and quote', working));
process.stdout.write(line('of a process that does nothing, as long, on the same machine', idle));
for (const end of endings.toReversed()) await end();
