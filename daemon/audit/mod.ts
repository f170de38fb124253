import { openDatabase } from './database.ts';
import { Registry } from './registry.ts';
import { settingsTable } from './settings-table.ts';
import type { SettingsTable } from './settings-table.ts';
import { Spool } from './spool.ts';
import type { SpoolOptions } from './spool.ts';
import { TokensTable } from './tokens-table.ts';

export { daemonStream } from './spool.ts';
export type { Follower } from './spool.ts';
export type { Spool };
export type { Registry, SessionFacts, SessionRow, SessionState } from './registry.ts';
export type { KeptRecord, RecordsQuery } from './records-table.ts';
export type { SettingsTable };
export type { TokensTable };

export interface Audit {
  readonly spool: Spool;
  readonly registry: Registry;
  readonly settings: SettingsTable;
  readonly tokens: TokensTable;
  close(): void;
}

/** Opens (or makes) the daemon's database at `path`. One process only: the caller holds the state directory's lock. */
export function openAudit(path: string, options: SpoolOptions): Audit {
  const db = openDatabase(path);
  const spool = new Spool(db, options);
  const tokens = new TokensTable(db);
  return {
    spool,
    registry: new Registry(db),
    settings: settingsTable(db),
    tokens,
    close: () => spool.close(),
  };
}
