// Records of files, programs and system calls as OCSF System Activity.
import type { SessionRecord } from '../model/mod.ts';
import { classes, other } from './classes.ts';
import type { Constants } from './context.ts';
import { before, file, object, quoted } from './shape.ts';
import type { Shape } from './shape.ts';

const read = 2;
const getAttributes = 8;

/** `activity_id` of File System Activity. */
const fileActivities: ReadonlyMap<string, number> = new Map([
  ['create', 1],
  ['mkdir', 1],
  ['mknod', 1],
  ['symlink', 1],
  ['link', 1],
  ['read', read],
  ['write', 3],
  ['truncate', 3],
  ['unlink', 4],
  ['rmdir', 4],
  ['rename', 5],
  ['setxattr', 6],
  ['removexattr', 6],
  ['utime', 6],
  ['chmod', 7],
  ['chown', 7],
  ['access', getAttributes],
  ['open', 14],
]);

/** `type_id` of the file, where the operation tells. */
const fileTypes: ReadonlyMap<string, number> = new Map([
  ['mkdir', 2],
  ['rmdir', 2],
  ['symlink', 7],
]);

/** Operations that leave the object under the name of `object2`. */
const hasResult = (operation: string): boolean => operation === 'rename' || operation === 'link';

/** True when nothing changes: what may be folded, and summarised when space ends. */
export function isRead(operation: string): boolean {
  const activity = fileActivities.get(operation);
  return activity === read || activity === getAttributes;
}

export function fileShape({ operation, object: path, object2 }: SessionRecord): Shape {
  const type = fileTypes.get(operation) ?? 0;
  const moved = object2 !== undefined && hasResult(operation);
  return {
    class: classes.fileActivity,
    activity: fileActivities.get(operation) ?? other,
    attributes: { file: file(path, type), ...(moved ? { file_result: file(object2, type) } : {}) },
    holds: moved ? objects : onlyObject,
  };
}

const onlyObject = { object: true };
const objects = { object: true, object2: true };
const withDigest = { object: true, detail: new Set(['sha256']) };

/** `image` is the digest of a program that was started before it was known: a fact about a file. */
export function execShape(record: SessionRecord, { messageContext, user }: Constants): Shape {
  const { operation, object: path, detail, process } = record;
  const sha256 = typeof detail?.['sha256'] === 'string' ? detail['sha256'] : undefined;
  const holds = sha256 === undefined ? onlyObject : withDigest;
  const image = file(path, 8, sha256);
  if (operation === 'image')
    return { class: classes.fileActivity, activity: other, attributes: { file: image }, holds };
  const argv = detail?.['argv'];
  const started = object(
    before('cmd_line', Array.isArray(argv) ? quoted(argv.join(' ')) : undefined) +
      before('file', image) +
      before('pid', process && String(process.pid)) +
      before('uid', process === undefined ? quoted(record.id) : undefined) +
      before('user', user),
  );
  return {
    class: classes.processActivity,
    activity: operation === 'exec' ? 1 : other,
    attributes: { process: started, message_context: messageContext },
    holds,
  };
}

/** `type_id` 2 is a system call. */
export const syscallShape = ({ object: name }: SessionRecord): Shape => ({
  class: classes.kernelActivity,
  activity: 4,
  attributes: { kernel: `{"name":${quoted(name)},"type_id":2}` },
  holds: onlyObject,
});
