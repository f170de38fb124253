// A workspace below /tmp, /var/tmp or /run: those places are the sandbox's own, so the workspace is brought into them.
import { Files, mounts } from '../../native-bindings/linux/mod.ts';
import { isWithin } from './mount-table.ts';

const { MOUNT_ATTR } = mounts;
const hidingPlaces = ['/var/tmp', '/tmp', '/run'] as const;

/** A place of the host's that a private one hides. */
export interface Hidden {
  readonly path: string;
  /** Descriptor of a detached mount of it. */
  readonly mount: number;
}

/** The private place that hides `path`, or undefined. A private place itself is not hidden: the sandbox has its own. */
export const hiddenBelow = (path: string): string | undefined =>
  hidingPlaces.find((place) => path !== place && isWithin(path, place));

/** Mounts it where it is on the host, read-only, in the calling thread's tree. The tree's /tmp is shared with our other thread. */
export function bringIn(files: Files, { path, mount }: Hidden): void {
  const place = hiddenBelow(path);
  if (place === undefined) return;
  const umask = files.umask(0o022);
  mounts.setAttributes(place, 0, MOUNT_ATTR.RDONLY);
  path
    .slice(place.length + 1)
    .split('/')
    .reduce((at, part) => {
      files.mkdirat(-100, `${at}/${part}`, 0o755);
      return `${at}/${part}`;
    }, place);
  mounts.moveMount(mount, path);
  mounts.setAttributes(path, MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV, 0);
  if (place !== '/run') mounts.setAttributes(place, MOUNT_ATTR.RDONLY, 0); // /run: by mountForSession, when all is there
  files.umask(umask);
}
