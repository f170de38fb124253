// Cordon's own sockets (admin, supervisor, attach), by place and, for those that are there at launch, by identity.
import type { Files, Stat } from '../../native-bindings/linux/mod.ts';
import { objectId, type BytePath, type ObjectId } from '../model/mod.ts';

export class ControlSockets {
  private readonly directory: string;
  private readonly ids: ReadonlySet<ObjectId>;
  /** `directory`: cordond's run directory, resolved. `ids`: sockets in it. */
  constructor(directory: string, ids: readonly ObjectId[]) {
    this.directory = directory;
    this.ids = new Set(ids);
  }
  includes({
    path,
    stat,
  }: {
    readonly path: BytePath;
    readonly stat: Pick<Stat, 'dev' | 'ino' | 'bornNs'>;
  }): boolean {
    return path.startsWith(`${this.directory}/`) || this.ids.has(objectId(stat));
  }
}

/** Names of the sockets that cordond makes before any session. */
const names = ['admin.sock', 'supervisor.sock'];

/** Looked up where the host's tree is seen. */
export function controlSocketIds(files: Files, directory: string): ObjectId[] {
  return names
    .map((name) => files.fstatat(-100, `${directory}/${name}`, 0x100))
    .filter((stat) => stat !== undefined)
    .map(objectId);
}
