// What `never` names, looked at once on the host before a session begins: decoys to mount, and the identity of every
// object, so that other names of it are found.
import { readdirSync } from 'node:fs';
import { Files, S } from '../../native-bindings/linux/mod.ts';
import { MAX_DECOYS, type Mask, type MaskEntry } from '../launcher/mod.ts';
import { objectId, type ObjectId } from '../model/mod.ts';

/** Entries looked at; beyond it identities are unknown, and the session is told. */
const MAX_OBJECTS = 20_000;

export interface NeverObjects {
  readonly masks: readonly Mask[];
  readonly ids: readonly ObjectId[];
  /** Images that `never` may be executed, by identity. */
  readonly execIds: readonly ObjectId[];
  /** Some object has another name somewhere. */
  readonly haveNames: boolean;
}

const names = (path: string): string[] => {
  try {
    return readdirSync(Buffer.from(path, 'latin1'), { encoding: 'latin1' as BufferEncoding });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
};

/** `paths`: literal byte paths. A symlink is what it is, a name: what it leads to has rules of its own. */
export function findNeverObjects(paths: readonly string[], images: readonly string[] = []): NeverObjects {
  const files = new Files();
  const walk: Walk = { files, ids: [], haveNames: false, looked: 0 };
  const masks = paths.map((path) => lookAt(walk, path)).filter((mask) => mask !== undefined);
  const ids = walk.ids.splice(0);
  for (const image of images) see(walk, image);
  return { masks, ids, execIds: walk.ids, haveNames: walk.haveNames || walk.looked > MAX_OBJECTS };
}

interface Walk {
  readonly files: Files;
  readonly ids: ObjectId[];
  haveNames: boolean;
  looked: number;
}

/** undefined: nothing there (or a symlink, a device …) that a decoy could stand for. */
function lookAt(walk: Walk, path: string): Mask | undefined {
  const kind = see(walk, path);
  if (kind === 'file') return { path, directory: false, entries: [] };
  if (kind !== 'directory') return undefined;
  const entries: MaskEntry[] = [];
  const pending = [''];
  for (let at = pending.shift(); at !== undefined && walk.looked <= MAX_OBJECTS; at = pending.shift())
    for (const name of names(`${path}/${at}`)) {
      const relative = at === '' ? name : `${at}/${name}`;
      const inner = see(walk, `${path}/${relative}`);
      if (inner === 'directory') pending.push(relative);
      if (inner !== undefined && entries.length < MAX_DECOYS)
        entries.push({ name: relative, directory: inner === 'directory' });
    }
  return { path, directory: true, entries };
}

function see(walk: Walk, path: string): 'file' | 'directory' | undefined {
  const stat = walk.files.fstatat(-100, path, 0x100);
  if (stat === undefined) return undefined;
  walk.looked++;
  const kind = stat.mode & S.IFMT;
  if (kind === S.IFDIR) return 'directory';
  if (kind !== S.IFREG) return undefined;
  walk.ids.push(objectId(stat));
  walk.haveNames ||= stat.nlink > 1;
  return 'file';
}
