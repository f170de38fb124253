import t from 'tap';
import { verify } from '../../daemon/control/handlers/verify.ts';
import { temporaryDirectory } from '../support/temporary.ts';

t.test(
  'a machine that has no process left for the verification goes on, and who asked is told',
  async (t) => {
    const daemon = {
      audit: { spool: { drainAll: () => Promise.resolve() } },
      settings: {},
      paths: { database: `${temporaryDirectory(t)}/cordon.db` },
    };
    const reply = {
      connection: { closed: new Promise(() => undefined), send: () => undefined },
      incoming: {},
    };
    const ask = (): unknown =>
      verify({ daemon, actor: { admin: true } } as never, {} as never, reply as never);
    // A program that is not there fails as one does for which there is no process: after the call.
    const program = process.execPath;
    t.teardown(() => (process.execPath = program));
    process.execPath = '/nowhere/node';
    await t.rejects(async () => ask(), { code: 'internal', message: /ENOENT/ });
    await t.rejects(async () => ask(), { message: /ENOENT/ }, 'and it may be asked again');
  },
);
