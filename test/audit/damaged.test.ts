// A database with damaged pages: the daemon goes on with it, or says which file to look at. Never anything else.
import { copyFileSync, openSync, closeSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { CordonError } from '../../daemon/model/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const page = 8192;

t.test(
  'whichever page is damaged, the log goes on, begins anew, or the file to look at is named',
  async (t) => {
    const directory = temporaryDirectory(t);
    const at = (name: string): string => join(directory, name);
    const sound = openAudit(at('sound.db'), { now: () => 1 });
    for (let i = 0; i < 1500; i++)
      sound.spool.note('daemon', {
        kind: 'admin',
        operation: 'test',
        object: `object ${i}`,
        disposition: 'observed',
        layer: 'daemon',
        reason: 'a sample',
      });
    sound.tend();
    sound.close();
    const pages = statSync(at('sound.db')).size / page;
    t.ok(pages > 20);
    const told = { goes: 0, anew: 0, named: 0 };
    for (let number = 0; number < pages; number++) {
      const path = at('damaged.db');
      for (const end of ['', '.head', '.key']) copyFileSync(at(`sound.db${end}`), `${path}${end}`);
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.alloc(page, 0xa5), 0, page, number * page);
      closeSync(fd);
      try {
        const audit = openAudit(path, { now: () => 1 });
        told[audit.restarted === undefined ? 'goes' : 'anew'] += 1;
        audit.close();
      } catch (error) {
        told.named += 1;
        const { message, facts } = error as CordonError;
        t.ok(
          error instanceof CordonError && message.includes(path) && /moved away/.test(String(facts['fix'])),
          `${number}: ${message}`,
        );
      }
    }
    t.comment(JSON.stringify(told));
    t.ok(told.goes > 0 && told.named > 0);
  },
);
