// What the TPM's own time is, what ours is on top of it, and what a process of tpm2-tools takes for the same. The TPM's own:
// the very bytes that we send, one command after the other on its socket, with nothing of ours between.
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
import type { Tpm, Transport } from '../../native-bindings/tpm/mod.ts';
import { ALG, RH, templates } from '../../native-bindings/tpm/wire/mod.ts';
import { Attester } from '../../daemon/attestation/mod.ts';
import { daemonFacts, memoryStore } from '../support/attested.ts';
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

const batches = 20;
const batch = 15;

async function timed(work: () => Promise<unknown>, times: number[]): Promise<void> {
  for (let i = 0; i < batch; i++) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
}

/** The same bytes on the TPM's socket with nothing of ours between: its own time, and one round trip a command. */
async function bare(commands: readonly Buffer[], times: number[]): Promise<void> {
  const connection = createConnection(socket);
  await once(connection, 'connect');
  await timed(async () => {
    for (const command of commands) {
      connection.write(command);
      await once(connection, 'data');
    }
  }, times);
  connection.destroy();
  await once(connection, 'close');
}

async function toolTime(...command: readonly string[]): Promise<Times> {
  const times: number[] = [];
  await timed(() => swtpm.tool(...command), times);
  return timesOf(times);
}

const selection = { alg: ALG.SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 9, 14] };
const eight = { alg: ALG.SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7] };
const nonce = Buffer.alloc(32, 7);

/** A TPM, and what was sent to it since `sent` was emptied. */
function watched(): { readonly tpm: Tpm; readonly sent: Buffer[] } {
  const tpm = swtpm.open();
  const sent: Buffer[] = [];
  const by = (transport: Transport): Transport => ({
    transceive: (command) => {
      sent.push(Buffer.from(command));
      return transport.transceive(command);
    },
  });
  return { sent, tpm: { ...tpm, pid: tpm.pid, use: (work) => tpm.use((transport) => work(by(transport))) } };
}

/** In turn, so that the machine's speed is the same for both; the first two of each do not count. */
async function compared(
  workOf: (tpm: Tpm) => () => Promise<unknown>,
): Promise<Record<'own' | 'mine', Times> & { commands: number }> {
  const { tpm, sent } = watched();
  const work = workOf(tpm);
  await work();
  sent.length = 0;
  await work();
  const commands = [...sent];
  const times = { own: [] as number[], mine: [] as number[] };
  for (let i = 0; i < batches + 2; i++) {
    if (i === 2) times.own.length = times.mine.length = 0;
    await bare(commands, times.own);
    await timed(work, times.mine);
    sent.length = 0;
  }
  tpm.close();
  return { own: timesOf(times.own), mine: timesOf(times.mine), commands: commands.length };
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
const command =
  (work: (transport: Transport) => Promise<unknown>) =>
  (tpm: Tpm): (() => Promise<unknown>) =>
  () =>
    tpm.use(work);
/** As `cordon attest quote` has it made: counter read and certified, attestation key brought back, PCRs, quote. */
function evidence(tpm: Tpm): () => Promise<unknown> {
  const attester = new Attester({
    tpm,
    counter: 0x0181c0d9,
    ekCertificates: [],
    store: memoryStore(),
    bank: 'sha256',
    pcrs: selection.pcrs,
    logs: { eventLog: '/nonexistent', imaLog: '/nonexistent' },
    facts: () => daemonFacts,
  });
  return () => attester.quote(nonce.toString('hex'));
}

const quoted = 'sha256:0,1,2,3,4,5,6,7,9,14';
const rows: [string, (tpm: Tpm) => () => Promise<unknown>, readonly string[]][] = [
  [
    'Sign, P-256',
    command((transport) => signDigest(transport, signer, nonce)),
    ['tpm2_sign', '-c', '0x81000078', '-g', 'sha256', '-d', '-o', `${socket}.signature`, digestFile],
  ],
  [
    'PCR_Read of 8',
    command((transport) => readPcrs(transport, eight)),
    ['tpm2_pcrread', 'sha256:0,1,2,3,4,5,6,7'],
  ],
  [
    'Quote, P-256',
    command((transport) => quote(transport, key, nonce, selection)),
    ['tpm2_quote', '-c', '0x81000077', '-l', quoted, '-q', nonce.toString('hex')],
  ],
  [
    'NV_Increment',
    command((transport) => incrementNv(transport, 0x0181c0d9)),
    ['tpm2_nvincrement', '0x0181c0d9'],
  ],
  ['evidence, whole', evidence, []],
];

process.stdout.write(
  'milliseconds, tenth and median            TPM bare               ours    ratios         tpm2-tools\n',
);
for (const [name, work, tool] of rows) {
  const { own, mine, commands } = await compared(work);
  const ratio =
    (mine.low / own.low).toFixed(2).padStart(6) + (mine.median / own.median).toFixed(2).padStart(5);
  const tools = tool.length === 0 ? '' : shown(await toolTime(...tool));
  const what = commands === 1 ? name : `${name}: ${commands} commands`;
  process.stdout.write(`${what.padEnd(32)}${shown(own)}  ${shown(mine)} ${ratio} ${tools}\n`);
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
