// Which unix sockets belong to the sandbox itself: those on its private file systems, which nobody outside can reach, and
// those that were bound here elsewhere, each held by a descriptor: while it is held, its inode number names nothing else.
import { O, S, type Files, type Stat } from '../../native-bindings/linux/mod.ts';

/** Device and number: held as long as they count, so that nothing else gets them. */
type SocketId = `${number}:${number}`;

/** Descriptors held. When one more is needed the oldest goes, and its socket is then judged like any other. */
const MAX_HELD = 256;

export interface SocketPlace {
  readonly fd: number;
  readonly name: string;
}

export class BoundSockets {
  private readonly files: Files;
  private readonly privateDevices: ReadonlySet<number>;
  private readonly held = new Map<SocketId, number>();

  /** `privateDevices`: st_dev of file systems that are mounted nowhere but in the sandbox. */
  constructor(files: Files, privateDevices: ReadonlySet<number>) {
    this.files = files;
    this.privateDevices = privateDevices;
  }

  /** After a bind on behalf at this place. What is not a socket there any more is not remembered. */
  add({ fd, name }: SocketPlace): void {
    const pin = this.files.openat(fd, name, O.PATH | O.NOFOLLOW | O.CLOEXEC);
    const stat = pin < 0 ? undefined : this.files.fstat(pin);
    if (stat === undefined || (stat.mode & S.IFMT) !== S.IFSOCK || this.has(stat)) {
      if (pin >= 0) this.files.close(pin);
      return;
    }
    this.makeRoom();
    this.held.set(`${stat.dev}:${stat.ino}`, pin);
  }

  has({ dev, ino }: Pick<Stat, 'dev' | 'ino'>): boolean {
    return this.privateDevices.has(dev) || this.held.has(`${dev}:${ino}`);
  }

  private makeRoom(): void {
    if (this.held.size < MAX_HELD) return;
    for (const [id, fd] of this.held) if (this.files.fstat(fd)?.nlink === 0) this.drop(id, fd);
    const oldest = this.held.entries().next().value;
    if (this.held.size >= MAX_HELD && oldest !== undefined) this.drop(...oldest);
  }

  private drop(id: SocketId, fd: number): void {
    this.files.close(fd);
    this.held.delete(id);
  }
}
