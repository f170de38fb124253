import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { fileReplay } from '../../daemon/tokens/replay-file.ts';
import { createTokenVerifier } from '../../daemon/tokens/token-verifier.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { audience, endpoint, issuer, now, seconds, url } from './support.ts';

const module = fileURLToPath(new URL('../../daemon/tokens/replay-file.ts', import.meta.url));
const token = { jti: 'a', uses: 2 };

t.test('what one process has seen and used, the next one knows', async (t) => {
  const file = join(temporaryDirectory(t), 'seen.db');
  const one = fileReplay(file);
  t.equal(await one.first('p', 100, 50), true);
  t.equal(await one.first('p', 100, 50), false);
  t.equal(await one.take([token], 100, 50), true);
  one.close();
  const two = fileReplay(file);
  t.teardown(() => two.close());
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(await two.first('p', 100, 60), false);
  t.equal(await two.take([{ jti: 'child', uses: 1 }, token], 100, 60), true);
  t.equal(await two.take([{ jti: 'other', uses: 1 }, token], 100, 60), false);
  t.equal(await two.take([{ jti: 'other', uses: 1 }], 100, 60), true, 'a refused family takes nothing');
  t.equal(await two.first('p', 200, 101), true, 'what has expired is forgotten');
});

t.test('full means refused', async (t) => {
  const replay = fileReplay(join(temporaryDirectory(t), 'seen.db'), 2);
  t.teardown(() => replay.close());
  t.equal(await replay.first('1', 100, 50), true);
  t.equal(await replay.first('2', 100, 50), true);
  t.equal(await replay.first('3', 100, 50), false);
  t.equal(await replay.first('3', 200, 100), true);
});

t.test('of many processes at once exactly one is the first', async (t) => {
  const file = join(temporaryDirectory(t), 'seen.db');
  const text = `import { fileReplay } from ${JSON.stringify(module)};
    process.stdin.once('data', () => {
      process.exitCode = fileReplay(${JSON.stringify(file)}).first('p', 100, 50) ? 0 : 1;
    }).once('end', () => undefined);
    console.log('ready');`;
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', text], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const codes = children.map(async (child) => {
    const exit = once(child, 'exit');
    child.stdin.end('go\n');
    return (await exit)[0] as number;
  });
  t.strictSame((await Promise.all(codes)).toSorted(), [0, 1, 1, 1]);
});

t.test('another file, and another database, is an error and is left alone', async (t) => {
  const directory = temporaryDirectory(t);
  const text = join(directory, 'text');
  writeFileSync(text, 'not a database, but quite long enough to be taken for one by its first bytes');
  t.throws(() => fileReplay(text), { message: /cannot be used/ });
  const other = new Sqlite(join(directory, 'other.db'));
  other.exec('CREATE TABLE mine (x)');
  other.close();
  t.throws(() => fileReplay(join(directory, 'other.db')), { message: /another database/ });
  t.throws(() => fileReplay(join(directory, 'no', 'such', 'place')), { message: /ENOENT/ });
});

t.test(
  'a sub-token’s use is its parent’s for as long as the parent may live, not only the sub-token',
  async (t) => {
    const replay = fileReplay(join(temporaryDirectory(t), 'seen.db'));
    t.teardown(() => replay.close());
    const from = await endpoint();
    const used = async (jti: string, after: number): Promise<string> => {
      const at = seconds + after;
      const lineage = [{ jti: 'P'.repeat(22), uses: 1 }];
      const token = await from.token({ jti: jti.repeat(22), lineage, iat: at, nbf: at, exp: at + 2 });
      const clock = now + after * 1000;
      const dpop = from.proof(token, { now: clock });
      const verifier = createTokenVerifier({ jwks: from.jwks, issuer, audience, replay, now: () => clock });
      return verifier.verify({ authorization: `DPoP ${token}`, dpop, method: 'POST', url }).then(
        () => 'used',
        (error: unknown) => (error as { why: string }).why,
      );
    };
    t.equal(await used('Q', 0), 'used');
    t.equal(await used('R', 0), 'used-up');
    t.equal(await used('S', 60), 'used-up', 'the one that was used is over, and its parent may not be');
    t.equal(await used('T', 3599), 'used-up');
  },
);
