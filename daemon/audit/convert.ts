// What the first version of the database kept as records becomes entries of the log, in the order of arrival, whole or
// not at all. A record with its outcome is one event.
import type { SessionRecord } from '../model/mod.ts';
import { classOf, eventText } from '../ocsf/mod.ts';
import type { Database } from './database.ts';
import type { EventContexts } from './event-contexts.ts';
import type { Log } from './log.ts';
import { parseRecord } from './parse-record.ts';
import type { Redactor } from './redactor.ts';

interface OldRow {
  readonly stream: string;
  readonly seq: number;
  readonly subject: string;
  readonly json: string;
}

const table = 'records_of_schema_1';

export interface ConversionParts {
  readonly db: Database;
  readonly log: Log;
  readonly contexts: EventContexts;
  readonly redact: Redactor;
}

/** Does nothing when there is nothing to convert. */
export function convertRecords(parts: ConversionParts): void {
  const { db, log } = parts;
  const there = db.prepare('SELECT 1 FROM sqlite_master WHERE type = ? AND name = ?').get('table', table);
  if (there === undefined) return;
  log.commit(() => {
    const sql = `SELECT stream, seq, subject, coalesce(completion, json) AS json FROM ${table}
      WHERE position > ? ORDER BY position LIMIT 1000`;
    const page = db.prepare<[number], OldRow & { position: number }>(
      sql.replace('SELECT', 'SELECT position,'),
    );
    for (let last = 0; ;) {
      const rows = page.all(last);
      for (const row of rows) appendOld(parts, row);
      const end = rows.at(-1);
      if (end === undefined) break;
      last = end.position;
    }
    db.exec(`DROP TABLE ${table}`);
  }, true);
}

function appendOld({ log, contexts, redact }: ConversionParts, { stream, seq, subject, json }: OldRow): void {
  // The records of a journal are of its session; those of the daemon are of what they are about.
  const record = redact(parseRecord(json, subject) ?? unreadable(stream, seq, subject));
  log.append({
    stream,
    seq,
    part: 0,
    settled: record.outcome !== undefined,
    subject,
    time: record.time,
    class: classOf(record),
    disposition: record.disposition,
    text: eventText(record, contexts.of(subject), 'record'),
  });
}

const unreadable = (stream: string, seq: number, subject: string): SessionRecord => ({
  id: `${stream}-${seq}`,
  session: subject,
  seq,
  time: 0,
  kind: 'log',
  operation: 'convert',
  object: `${stream}-${seq}`,
  disposition: 'observed',
  mode: 'enforce',
  generation: 0,
  layer: 'daemon',
  reason: 'this record of an earlier version could not be read',
});
