// What `never` names, looked at once on the host before a session begins: decoys to mount, and the identity of every
// object, so that other names of it are found.
import { readdirSync } from 'node:fs';
import { Files, S } from '../../native-bindings/linux/mod.ts';
import { describeMask, type Mask } from '../launcher/mod.ts';
import type { ObjectId } from '../model/mod.ts';

/** Entries looked at; beyond it identities are unknown, and the session is told. */
const MAX_OBJECTS = 20_000;

export interface NeverObjects {
  readonly masks: readonly Mask[];
  readonly ids: readonly ObjectId[];
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

/** `paths`: literal byte paths. Symlinks are followed to what they hide only by the rules' own paths, not here. */
export function findNeverObjects(paths: readonly string[]): NeverObjects {
  const files = new Files();
  const masks = paths.map((path) => describeMask(files, path, names)).filter((mask) => mask !== undefined);
  const ids: ObjectId[] = [];
  let haveNames = false;
  const pending = masks.map((mask) => mask.path);
  for (let path = pending.pop(); path !== undefined && ids.length < MAX_OBJECTS; path = pending.pop()) {
    const stat = files.fstatat(-100, path, 0x100);
    if (stat === undefined) continue;
    const kind = stat.mode & S.IFMT;
    if (kind === S.IFDIR) for (const name of names(path)) pending.push(`${path}/${name}`);
    if (kind !== S.IFREG) continue;
    ids.push(`${stat.dev}:${stat.ino}`);
    haveNames ||= stat.nlink > 1;
  }
  return { masks, ids, haveNames: haveNames || pending.length > 0 };
}
