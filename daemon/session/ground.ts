// The ground a sandbox stands on that was prepared before its launch: all that the preparation looked at on the machine,
// or mounted something over. At the launch it must be as it was; in any doubt the sandbox is not used.
import { closeSync, readFileSync } from 'node:fs';
import { Files, O, RESOLVE } from '../../native-bindings/linux/mod.ts';
import { findNeverObjects, type NeverObjects } from './never-objects.ts';

export interface GroundOptions {
  /** Literal `never` paths and images, as given to findNeverObjects, and what it found for the preparation. */
  readonly masks: readonly string[];
  readonly images: readonly string[];
  readonly never: NeverObjects;
  /** Byte paths whose identity matters: writable places, workspace, home. They need not be there. */
  readonly places: readonly string[];
  /** Mount table of our own namespace that the sandbox's tree was made from (mountinfo, latin1). */
  readonly mountTable: string;
}

/** Of the thread `tid` of this process, whichever namespace it is in. */
const mountInfoOf = (tid: number): string => readFileSync(`/proc/self/task/${tid}/mountinfo`, 'latin1');

export class Ground {
  private readonly options: GroundOptions;
  private readonly files = new Files();
  /** While they are held, no other object can come to have the numbers of these. */
  private readonly pins: readonly number[];
  private readonly identities: string;
  private readonly resolver: string;
  private mounts: ReadonlyMap<number, string> = new Map();

  get never(): NeverObjects {
    return this.options.never;
  }

  /** Before anything is prepared. */
  constructor(options: GroundOptions) {
    this.options = options;
    this.pins = options.places.map((path) => this.files.open(path, O.PATH | O.CLOEXEC));
    this.identities = this.identify();
    this.resolver = this.resolverFile();
  }

  /**
   * When all is prepared: what the threads' namespaces look like then. Throws when something that `never` names can be seen
   * in the tree of the launch thread (the first of `tids`): its decoy is gone.
   */
  settle(tids: readonly number[]): void {
    this.mounts = new Map(tids.map((tid) => [tid, mountInfoOf(tid)]));
    const root = this.files.open(`/proc/self/task/${tids[0] ?? 0}/root`, O.PATH | O.CLOEXEC);
    const lost = this.options.never.masks.find(({ path }) => this.isBare(root, path));
    this.files.close(root);
    if (lost !== undefined) throw new Error(`the decoy of ${lost.path} is gone`);
  }

  /** The sandbox sees there what the machine has. */
  private isBare(root: number, path: string): boolean {
    const fd = this.files.openat2(root, path, O.PATH | O.CLOEXEC, 0, RESOLVE.IN_ROOT);
    const [inside, outside] = [this.files.fstat(fd), this.files.fstatat(-100, path, 0)];
    if (fd >= 0) this.files.close(fd);
    return inside !== undefined && inside.dev === outside?.dev && inside.ino === outside.ino;
  }

  /** What is not as it was, in words; undefined when everything is. */
  change(): string | undefined {
    const { masks, images, never, mountTable } = this.options;
    if (readFileSync('/proc/self/mountinfo', 'latin1') !== mountTable)
      return 'the mount table of the machine';
    for (const [tid, before] of this.mounts)
      if (mountInfoOf(tid) !== before) return 'the mounts of the sandbox';
    if (this.identify() !== this.identities) return 'a writable place, the workspace or the home';
    if (this.resolverFile() !== this.resolver) return 'the resolver file';
    if (!sameObjects(findNeverObjects(masks, images), never)) return 'what never rules name';
    return undefined;
  }

  /** Gives back what was held. */
  release(): void {
    for (const fd of this.pins) if (fd >= 0) closeSync(fd);
  }

  private identify(): string {
    return this.options.places.map((path) => this.identityOf(path, 0)).join('\n');
  }
  private identityOf(path: string, flags: number): string {
    const stat = this.files.fstatat(-100, path, flags);
    return stat === undefined ? '-' : `${stat.dev}:${stat.ino}:${stat.mode}`;
  }
  /** Its decoy is mounted by way of the link's text. */
  private resolverFile(): string {
    const path = '/etc/resolv.conf';
    return `${this.identityOf(path, 0x100)} ${this.files.readlink(-100, path)}`;
  }
}

/** The same objects, under the same names, with as many other names. */
const sameObjects = (a: NeverObjects, b: NeverObjects): boolean => JSON.stringify(a) === JSON.stringify(b);
