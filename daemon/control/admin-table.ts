// The admin socket: people and the CLI. Every message is anyone's to send; what it shows and touches depends on who.
import { asCordonError } from '../wire/mod.ts';
import type { Bodies, Connection, Kind, Message } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import { attest } from './handlers/attest.ts';
import { control } from './handlers/control.ts';
import { doctor } from './handlers/doctor.ts';
import { explain } from './handlers/explain.ts';
import { exportLog } from './handlers/export.ts';
import { policy } from './handlers/policy.ts';
import { prove } from './handlers/prove.ts';
import { query } from './handlers/query.ts';
import { records } from './handlers/records.ts';
import { run } from './handlers/run.ts';
import { secrets } from './handlers/secrets.ts';
import { sessions } from './handlers/sessions.ts';
import { sinks } from './handlers/sinks.ts';
import { status } from './handlers/status.ts';
import { verify } from './handlers/verify.ts';
import { tokenKeys, tokenMint, tokenRevoke, tokens } from './handlers/tokens.ts';
import type { Actor } from './peer.ts';
import { anyone } from './table.ts';
import type { Reply, Row, Table } from './table.ts';

export interface AdminContext {
  readonly daemon: Daemon;
  readonly actor: Actor;
  readonly connection: Connection;
}

export type AdminHandler<K extends Kind> = (
  context: AdminContext,
  body: Bodies[K],
  reply: Reply,
) => Message | undefined | Promise<Message | undefined>;

const request = <K extends Kind>(handle: AdminHandler<K>): Row<K, AdminContext, 'open'> => ({
  states: ['open'],
  may: anyone,
  handle: async (context, body, reply) => {
    try {
      return await handle(context, body, reply);
    } catch (error) {
      const { code, message } = asCordonError(error);
      if (code === 'not-permitted' || code === 'killed' || code === 'limit')
        context.daemon.closures.refused(context.actor, reply.incoming.message.kind, message);
      throw error;
    }
  },
});

export const adminTable: Table<AdminContext, 'open'> = {
  run: request(run),
  status: request(status),
  sessions: request(sessions),
  records: request(records),
  query: request(query),
  exportLog: request(exportLog),
  explain: request(explain),
  control: request(control),
  policy: request(policy),
  doctor: request(doctor),
  attest: request(attest),
  verify: request(verify),
  prove: request(prove),
  sinks: request(sinks),
  secrets: request(secrets),
  tokenMint: request(tokenMint),
  tokens: request(tokens),
  tokenRevoke: request(tokenRevoke),
  tokenKeys: request(tokenKeys),
};
