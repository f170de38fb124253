// A software TPM of the test's own, with a manufacturer's CA made by swtpm_setup, and tpm2-tools to talk to it.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { openTpm } from '../../native-bindings/tpm/mod.ts';
import type { Tpm } from '../../native-bindings/tpm/mod.ts';
import { temporaryDirectory } from './temporary.ts';
import { until } from './until.ts';

const run = promisify(execFile);

/** Undefined when the programs are there, else why the test is skipped. */
export const noSwtpm: string | undefined = [
  '/usr/bin/swtpm',
  '/usr/bin/swtpm_setup',
  '/usr/bin/tpm2_quote',
].every((path) => existsSync(path))
  ? undefined
  : 'swtpm, swtpm-tools and tpm2-tools are not installed';

export interface Swtpm {
  /** TCTI name. */
  readonly name: string;
  readonly directory: string;
  /** PEM: the CA's root and the issuer of the EK certificates. */
  readonly root: string;
  readonly issuer: string;
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, then started again on its state: a power cut. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  /** One of tpm2-tools; resolves with what it prints. */
  tool(...command: readonly string[]): Promise<string>;
  /** A connection that the test's end closes. */
  open(options?: { readonly deadline?: number; readonly idle?: number }): Tpm;
}

export interface SwtpmOptions {
  readonly over?: 'unix' | 'tcp';
  /** EK certificates; without, the TPM is made faster. */
  readonly certified?: boolean;
}

async function freePorts(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const next = createServer().listen(port + 1, '127.0.0.1');
    const free = await once(next, 'listening').then(
      () => true,
      () => false,
    );
    await Promise.all([server, next].map((each) => new Promise((done) => each.close(done))));
    if (free) return port;
  }
}

async function manufacture(directory: string, certified: boolean): Promise<void> {
  const at = (name: string): string => join(directory, name);
  for (const name of ['state', 'ca']) mkdirSync(at(name));
  writeFileSync(
    at('localca.conf'),
    `statedir = ${at('ca')}\nsigningkey = ${at('ca/signkey.pem')}\nissuercert = ${at('ca/issuercert.pem')}\ncertserial = ${at('ca/certserial')}\n`,
  );
  writeFileSync(at('localca.options'), '--tpm-manufacturer IBM\n--tpm-model swtpm\n--tpm-version 2\n');
  writeFileSync(
    at('setup.conf'),
    `create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = ${at('localca.conf')}\ncreate_certs_tool_options = ${at('localca.options')}\n`,
  );
  const user = process.getuid?.() === 0 ? ['--runas', 'root'] : [];
  const certificates = certified ? ['--create-ek-cert'] : [];
  const args = ['--tpm2', '--tpmstate', at('state'), '--config', at('setup.conf'), '--logfile', at('log')];
  await run('swtpm_setup', [...args, ...user, ...certificates], { timeout: 60_000 });
}

export async function startSwtpm(
  t: Pick<Test, 'teardown'>,
  { over = 'unix', certified = true }: SwtpmOptions = {},
): Promise<Swtpm> {
  const directory = temporaryDirectory(t);
  await manufacture(directory, certified);
  const socket = join(directory, 'tpm');
  const port = over === 'tcp' ? await freePorts() : 0;
  const name = over === 'tcp' ? `swtpm:host=127.0.0.1,port=${port}` : `swtpm:path=${socket}`;
  const places =
    over === 'tcp'
      ? [
          `--server=type=tcp,port=${port},bindaddr=127.0.0.1`,
          `--ctrl=type=tcp,port=${port + 1},bindaddr=127.0.0.1`,
        ]
      : [`--server=type=unixio,path=${socket}`, `--ctrl=type=unixio,path=${socket}.ctrl`];
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    const fixed = ['socket', '--tpm2', '--tpmstate', `dir=${join(directory, 'state')}`];
    const log = join(directory, 'swtpm.log');
    const started = [...fixed, ...places, '--flags', 'not-need-init,startup-clear', '--log', `file=${log}`];
    child = spawn('swtpm', started, { stdio: 'ignore' });
    await until('swtpm listens', () => tool('tpm2_getcap', 'properties-fixed').catch(() => undefined));
  };
  const tool = async (...command: readonly string[]): Promise<string> => {
    const [program = '', ...args] = command;
    const env = { PATH: process.env['PATH'] ?? '', TPM2TOOLS_TCTI: name, TSS2_LOG: 'all+NONE' };
    const { stdout } = await run(program, args, { env, cwd: directory, timeout: 30_000 });
    return stdout;
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  t.teardown(kill);
  await start();
  return {
    name,
    directory,
    root: join(directory, 'ca/swtpm-localca-rootca-cert.pem'),
    issuer: join(directory, 'ca/issuercert.pem'),
    get pid() {
      return child.pid ?? 0;
    },
    signal: (signal) => void child.kill(signal),
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    tool,
    open: (options = {}) => {
      const tpm = openTpm({ name, ...options });
      t.teardown(() => tpm.close());
      return tpm;
    },
  };
}
