import t from 'tap';
import { existsSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Files, O } from '../../native-bindings/linux/mod.ts';
import { BoundSockets } from '../../daemon/supervisor/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const listening = (path: string): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer().listen(path, () => resolve(server));
  });
const ended = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));

/** Binds a socket there, asks `known` about it, and lets it go. */
async function another(path: string, known: BoundSockets): Promise<boolean> {
  const server = await listening(path);
  const answer = known.has(statSync(path));
  await ended(server);
  if (existsSync(path)) unlinkSync(path);
  return answer;
}

t.test('a socket that is gone does not lend its inode number to another', async (t) => {
  const directory = temporaryDirectory(t);
  const files = new Files();
  const fd = files.open(directory, O.PATH | O.DIRECTORY | O.CLOEXEC);
  t.teardown(() => files.close(fd));
  const own = new BoundSockets(files, new Set());
  const place = join(directory, 'own.sock');
  const server = await listening(place);
  own.add({ fd, name: 'own.sock' });
  t.ok(own.has(statSync(place)), 'the bound socket is known');
  await ended(server);
  let taken = 0;
  for (let round = 0; round < 300; round++) if (await another(join(directory, `s${round}`), own)) taken++;
  t.equal(taken, 0, 'none of 300 later sockets is taken for it');
});

t.test('at most 256 are held, and what is not a socket is not', async (t) => {
  const directory = temporaryDirectory(t);
  const files = new Files();
  const fd = files.open(directory, O.PATH | O.DIRECTORY | O.CLOEXEC);
  t.teardown(() => files.close(fd));
  const own = new BoundSockets(files, new Set());
  own.add({ fd, name: '.' });
  t.notOk(own.has(statSync(directory)), 'a directory');
  const servers: Server[] = [];
  for (let n = 0; n < 257; n++) {
    servers.push(await listening(join(directory, `n${n}`)));
    own.add({ fd, name: `n${n}` });
  }
  t.notOk(own.has(statSync(join(directory, 'n0'))), 'the oldest is judged like any other');
  t.ok(own.has(statSync(join(directory, 'n256'))), 'the newest is known');
  await Promise.all(servers.map(ended));
});

t.test('every socket of a private file system is own', async (t) => {
  const directory = temporaryDirectory(t);
  const server = await listening(join(directory, 's'));
  const stat = statSync(join(directory, 's'));
  t.ok(new BoundSockets(new Files(), new Set([stat.dev])).has(stat));
  t.notOk(new BoundSockets(new Files(), new Set([stat.dev + 1])).has(stat));
  await ended(server);
});
