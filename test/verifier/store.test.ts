// What the verifier's service remembers, with the real database.
import t from 'tap';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { openStore } from '../../daemon/verifier-service/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const now = 1_800_000_000_000;

t.test('whoever asks for more challenges than there is room for keeps nobody out', (t) => {
  const file = join(temporaryDirectory(t), 'verifier.db');
  const store = openStore(file);
  t.teardown(() => store.close());
  const flood = new Sqlite(file);
  const nonce = flood.prepare('INSERT INTO nonces VALUES (?, ?)');
  const enrolment = flood.prepare('INSERT INTO enrolments VALUES (?, ?, ?, ?)');
  flood.transaction(() => {
    for (let i = 0; i < 10_000; i++) {
      nonce.run(`flood ${i}`, now + i);
      enrolment.run(`flood ${i}`, '', '{}', now + i);
    }
  })();
  flood.close();
  const later = now + 20_000;
  store.addNonce('ours', later);
  store.addNonce('another', later);
  const enrolled = {
    ak: 'a',
    ek: 'e',
    tpm: 'software',
    manufacturer: '',
    model: '',
    firmware: '',
    counter: '',
  } as const;
  store.addEnrolment('ours', Buffer.from('secret'), enrolled, later);
  t.ok(store.takeNonce('ours', later));
  t.notOk(store.takeNonce('flood 0', later), 'the oldest made room');
  t.ok(store.takeNonce('flood 2', later), 'and no more than had to');
  t.same(store.takeEnrolment('ours', Buffer.from('secret'), later), enrolled);
  t.end();
});
