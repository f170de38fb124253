// Small facts of the daemon that must survive it: the kill switch's state, for one.
import { durably } from './database.ts';
import type { Database } from './database.ts';

export interface SettingsTable {
  read(name: string): string | undefined;
  /** On the disk when this returns. */
  write(name: string, value: string): void;
}

export function settingsTable(db: Database): SettingsTable {
  const select = db.prepare<[string], { value: string }>('SELECT value FROM settings WHERE name = ?');
  const upsert = db.prepare<[string, string]>(
    'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );
  return {
    read: (name) => select.get(name)?.value,
    write: (name, value) => void durably(db, () => upsert.run(name, value)),
  };
}
