// The egress process locks itself up before it reads the first byte from a session: what it parses is hostile, and whoever
// takes it over finds sockets and nothing else. Irreversible. Any step that fails is an error, and the caller exits. The
// uploader, which talks to sinks, needs no more and gets no more.
import { readdirSync, readlinkSync } from 'node:fs';
import { credentials, keepAcrossExec, landlock, seccomp } from '../../native-bindings/linux/mod.ts';
import { CordonError, type Layer } from '../model/mod.ts';
import { filterProgram, noRingProgram } from './filter.ts';

/** Calls that JavaScript makes lazily for the first time must have been made before: files cannot be opened any more. */
export function confine(mayLack: readonly Layer[]): void {
  if (process.getuid?.() === 0)
    throw new CordonError('not-permitted', 'a process that talks to the network runs as root', {
      fix: 'start it as an unprivileged user',
    });
  requireNoRing();
  step('no-new-privileges', () => {
    credentials.noNewPrivileges();
    credentials.notDumpable();
  });
  const abi = landlock.abi();
  if (abi > 0) step('landlock', () => denyFiles(abi));
  else if (!mayLack.includes('landlock')) lacking('landlock', 'the kernel has no Landlock');
  step('seccomp', installFilter);
}

/**
 * libuv batches its epoll_ctl calls through an io_uring of every event loop, whatever the environment says (libuv #4638). A
 * ring opens files past any filter. So the process first replaces itself by one that cannot make a ring: libuv then uses
 * epoll_ctl(2). Does not return.
 */
export function execWithoutRing(argument: string, descriptors: readonly number[]): never {
  for (const fd of descriptors) keepAcrossExec(fd);
  step('no-new-privileges', credentials.noNewPrivileges);
  step('seccomp', () => void new seccomp.Filter(noRingProgram()).install(0));
  // "experimental": the only warning that would otherwise stand on the supervisor's standard error.
  process.removeAllListeners('warning');
  const [script = '', ...rest] = process.argv.slice(1);
  const flags = [...process.execArgv, '--expose-gc'];
  process.execve?.(process.execPath, [process.execPath, ...flags, script, argument, ...rest]);
  throw new CordonError('internal', 'the process could not replace itself');
}

function requireNoRing(): void {
  const rings = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes('[io_uring]'));
  if (rings.length > 0) lacking('seccomp', 'there is an io_uring, which no filter binds');
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor of the listing itself is gone by now.
    return '';
  }
}

/** Binds this thread and those it starts; older threads are bound by the filter, which refuses every open. */
function denyFiles(abi: number): void {
  const scoped = landlock.SCOPE.ABSTRACT_UNIX_SOCKET | landlock.SCOPE.SIGNAL;
  landlock.restrictSelf(landlock.createRuleset([], abi, scoped));
}

/** TSYNC: all threads, V8's and koffi's among them. A positive result is the thread that could not be bound. */
function installFilter(): void {
  const arch = process.arch;
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`no filter for ${arch}`);
  const refused = new seccomp.Filter(filterProgram(arch, process.pid)).install(seccomp.FILTER_FLAG.TSYNC);
  if (refused !== 0) throw new Error(`thread ${refused} could not be bound`);
}

function step(layer: Layer, action: () => void): void {
  try {
    action();
  } catch (error) {
    lacking(layer, error instanceof Error ? error.message : String(error), error);
  }
}

function lacking(layer: Layer, why: string, cause?: unknown): never {
  throw new CordonError('layer-missing', `the process cannot confine itself with ${layer}: ${why}`, {
    fix: `see what \`cordon doctor\` says about ${layer}`,
    cause,
  });
}
