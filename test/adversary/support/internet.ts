// An internet of our own: a second network namespace behind a veth pair, so that no packet can leave this machine. To be
// called in a network namespace that is ours already (see test/support/own-network.ts).
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { until } from '../../support/until.ts';

export interface Internet {
  /** Prefix of a command line that runs there. */
  readonly enter: readonly string[];
  close(): void;
}

function run(argv: readonly string[]): void {
  const [file = '', ...rest] = argv;
  const ran = spawnSync(file, rest, { encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${argv.join(' ')}: ${ran.stderr}`);
}
const words = (text: string): string[] => text.split(' ');

async function namespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const own = readlinkSync('/proc/self/ns/net');
  await until('the internet is a namespace of its own', () => {
    return readlinkSync(`/proc/${holder.pid ?? 0}/ns/net`) !== own;
  });
  return holder;
}

/** `addresses` are what this internet has, v4 and v6; everything is routed there. */
export async function makeInternet(addresses: readonly string[]): Promise<Internet> {
  const holder = await namespace();
  const pid = String(holder.pid);
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  const there = (text: string): void => run([...enter, ...words(text)]);
  const here = (text: string): void => run(words(text));
  here(`ip link add host0 type veth peer name net0 netns ${pid}`);
  for (const [run, device, end] of [
    [here, 'host0', 1],
    [there, 'net0', 2],
  ] as const) {
    run(`ip address add 172.31.255.${end}/30 dev ${device}`);
    run(`ip -6 address add fd77:77::${end}/64 dev ${device} nodad`);
    run(`ip link set ${device} up`);
  }
  there('ip link set lo up');
  for (const address of addresses)
    there(`ip address add ${address} dev lo${address.includes(':') ? ' nodad' : ''}`);
  here('ip route add default via 172.31.255.2');
  here('ip -6 route add default via fd77:77::2');
  return { enter, close: () => holder.kill('SIGKILL') };
}
