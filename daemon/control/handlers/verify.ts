// audit verify: a process of its own reads the database and says how far it is, then what it found.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CordonError } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';

/** Beside the program when bundled. */
function program(): string {
  const bundled = import.meta.url.endsWith('.js');
  const script = bundled ? './audit-verify.js' : '../../audit/verify/main.ts';
  return fileURLToPath(new URL(script, import.meta.url));
}

/** One at a time. */
let running = false;

export const verify: AdminHandler<'verify'> = async ({ daemon, actor }, _body, { connection, incoming }) => {
  if (!actor.admin)
    throw new CordonError('not-permitted', 'the log is verified by administrators', {
      fix: 'verify an export: cordon audit verify --file',
    });
  if (running)
    throw new CordonError('limit', 'the log is being verified already', {
      fix: 'try again when that is done',
    });
  running = true;
  try {
    await daemon.audit.spool.drainAll();
    const { audit, paths } = daemon;
    const args = [
      ...['--disable-warning=ExperimentalWarning', program()],
      ...['--database', paths.database, '--key', audit.verifierKey()],
    ];
    const witnesses = (daemon.settings.records?.witnesses ?? []).flatMap((key) => ['--witness', key]);
    const child = spawn(process.execPath, [...args, ...witnesses], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child, 'spawn').catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new CordonError('unavailable', `the process that verifies cannot be started: ${why}`, {
        cause: error,
        fix: 'try again, or as root: cordon audit verify --database PATH',
      });
    });
    void connection.closed.then(() => child.kill());
    let last = '';
    for await (const json of createInterface({ input: child.stdout })) {
      if (last !== '')
        connection.send({
          request: incoming.request,
          more: true,
          message: message('verifyAnswer', { json: last }),
        });
      last = json;
    }
    if (last === '') throw new CordonError('internal', 'the process that verifies ended without a word');
    return message('verifyAnswer', { json: last });
  } finally {
    running = false;
  }
};
