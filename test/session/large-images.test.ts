// What an agent executes is hashed beside the path by the supervisor, at the machine's expense: bounded in number and size.
import { closeSync, fstatSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import type { NewRecord } from '../../daemon/model/mod.ts';
import { LargeImages, MAX_BYTES, MAX_WAITING } from '../../daemon/session/large-images.ts';
import { temporaryDirectory } from '../support/temporary.ts';

function imagesOf(): { images: LargeImages; records: NewRecord[]; learnt: Map<string, string> } {
  const records: NewRecord[] = [];
  const learnt = new Map<string, string>();
  const images = new LargeImages({
    learn: (key, sha256) => void learnt.set(key, sha256),
    record: (record) => void records.push(record),
  });
  return { images, records, learnt };
}
const isClosed = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return false;
  } catch {
    return true;
  }
};

t.test(
  'a flood of large images holds no more descriptors than the bound, and each is on record',
  async (t) => {
    const path = join(temporaryDirectory(t), 'image');
    writeFileSync(path, 'image');
    const { images, records, learnt } = imagesOf();
    const fds = Array.from({ length: 3 * MAX_WAITING }, () => openSync(path, 'r'));
    fds.forEach((fd, i) => images.hash({ type: 'hash', key: `${i}`, path, fd }));
    t.equal(fds.filter((fd) => !isClosed(fd)).length, MAX_WAITING);
    await images.settled(60_000);
    t.equal(learnt.size, MAX_WAITING);
    t.equal(learnt.get('0'), createHash('sha256').update('image').digest('hex'));
    t.equal(records.length, fds.length);
    t.match(records[0], { reason: /wait to be hashed already/, detail: undefined });
    t.match(records.at(-1), { detail: { sha256: learnt.get('0') } });
    const later = openSync(path, 'r');
    images.hash({ type: 'hash', key: 'later', path, fd: later });
    await images.settled(60_000);
    t.ok(learnt.has('later'), 'there is room again');
  },
);

t.test('an image of a terabyte of nothing is not read', async (t) => {
  const path = join(temporaryDirectory(t), 'sparse');
  const made = openSync(path, 'w');
  ftruncateSync(made, 1024 * MAX_BYTES);
  closeSync(made);
  const { images, records, learnt } = imagesOf();
  const fd = openSync(path, 'r');
  images.hash({ type: 'hash', key: 'k', path, fd });
  t.ok(isClosed(fd));
  await images.settled(60_000);
  t.equal(learnt.size, 0);
  t.match(records, [{ reason: /images of more than 1024 MiB are not hashed/ }]);
});

t.test('what is not read when nobody waits any longer is on record without its digest', async (t) => {
  const path = join(temporaryDirectory(t), 'sparse');
  const made = openSync(path, 'w');
  ftruncateSync(made, MAX_BYTES / 4);
  closeSync(made);
  const { images, records, learnt } = imagesOf();
  images.hash({ type: 'hash', key: 'k', path, fd: openSync(path, 'r') });
  await images.settled(0);
  t.match(records, [{ object: path, reason: /without its digest: the session was over/, detail: undefined }]);
  t.equal(learnt.size, 0);
});
