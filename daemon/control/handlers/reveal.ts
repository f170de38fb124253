// Sealed values of records, in the clear: for administrators, and never without a record of who looked.
import { CordonError } from '../../model/mod.ts';
import type { SessionRecord } from '../../model/mod.ts';
import { daemonStream } from '../../audit/mod.ts';
import { revealed } from '../../ocsf/mod.ts';
import type { AdminContext } from '../admin-table.ts';

type Show = (record: SessionRecord) => SessionRecord;
const asItIs: Show = (record) => record;

/**
 * How records are shown; with `reveal` what is sealed is opened, and that it was asked for is on the disk when this
 * returns. Throws CordonError for others than administrators, while the key is locked, and when it cannot be recorded.
 */
export function revealing({ daemon, actor }: AdminContext, reveal: boolean, asked: object): Show {
  if (!reveal) return asItIs;
  if (!actor.admin)
    throw new CordonError('not-permitted', 'only administrators see what is sealed', {
      fix: `ask one, or join the group ${daemon.settings.adminGroup}`,
    });
  const open = daemon.keys.unseal();
  daemon.audit.spool.append(daemonStream, {
    kind: 'log',
    operation: 'reveal',
    object: 'sealed values',
    disposition: 'observed',
    layer: 'daemon',
    reason: `${actor.name} was shown sealed values of records`,
    process: { pid: actor.pid },
    detail: { actor: actor.name, uid: actor.uid, asked: JSON.stringify(asked) },
  });
  return (record) => revealed(record, open).record;
}
