import t from 'tap';
import { canonical, eventText, recordOf } from '../../daemon/ocsf/mod.ts';
import type { JsonValue } from '../../daemon/ocsf/mod.ts';
import { inSession, ofDaemon, sampleRecords } from './samples.ts';
import { violations } from './validate.ts';

const parts = ['record', 'outcome'] as const;

t.test('every kind of record becomes an event that the published schema accepts', async (t) => {
  for (const record of sampleRecords)
    for (const context of [inSession, ofDaemon])
      for (const part of parts) {
        const found = violations(eventText(record, context, part));
        t.strictSame(found, [], `${record.kind} ${record.operation} (${record.object}) as ${part}`);
      }
});

t.test('an event is its own canonical form, and says its record', async (t) => {
  for (const record of sampleRecords)
    for (const part of parts) {
      const text = eventText(record, inSession, part);
      t.equal(canonical(JSON.parse(text) as JsonValue), text, `${record.kind} ${record.operation}`);
      t.strictSame(recordOf(text), record);
    }
});
