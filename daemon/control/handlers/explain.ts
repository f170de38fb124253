import { CordonError } from '../../model/mod.ts';
import type { RecordLayer, SessionRecord } from '../../model/mod.ts';
import { message } from '../../wire/mod.ts';
import { mayRead } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Change } from '../profiles.ts';
import { revealing } from './reveal.ts';

const layers: Readonly<Record<RecordLayer, string>> = {
  'mount-namespace':
    'the sandbox’s own mounts: the place is read-only or hidden there, whatever the policy says',
  'pid-namespace': 'the sandbox’s own process table: processes outside do not exist for it',
  'network-namespace': 'the sandbox’s empty network: there is no way out but Cordon’s',
  'ipc-namespace': 'the sandbox’s own System V and POSIX IPC',
  'uts-namespace': 'the sandbox’s own host name',
  landlock: 'Landlock, the kernel’s hard limit on the files of the sandbox',
  seccomp: 'the static system call filter: this call is not for sandboxed programs',
  'seccomp-notify': 'the mediator, which judged the call before the kernel carried it out',
  fanotify: 'the mediator of opens, asked by the kernel before the file was opened',
  cgroup: 'the session’s resource limits',
  'no-new-privileges': 'no gain of privileges through programs',
  decision: 'the policy decision',
  egress: 'the egress process, which every connection of the session goes through',
  resolver: 'the session’s name resolver',
  daemon: 'cordond itself',
  journal: 'the session’s journal: what cannot be recorded is not done',
};

export const explain: AdminHandler<'explain'> = async (context, { id, reveal }) => {
  const { daemon } = context;
  await daemon.audit.spool.drainAll();
  const show = revealing(context, reveal, { id });
  const record = show(find(context, id));
  const { yaml, file, notes } = changeFor(context, record);
  const source = record.rule?.source;
  const place =
    source === undefined || source.line === 0 ? '' : ` (${source.file}:${source.line} ${source.key})`;
  return message('explainAnswer', {
    record: JSON.stringify(record),
    layer: Object.hasOwn(layers, record.layer) ? layers[record.layer] : record.layer,
    rule: record.rule === undefined ? '' : `${record.rule.id}${place}`,
    change: yaml,
    changeFile: file,
    notes,
  });
};

/** Whether it is not there or another's is not told apart. */
function find({ daemon, actor }: AdminContext, id: string): SessionRecord {
  const { spool, registry } = daemon.audit;
  const kept = spool.byId(id);
  if (kept === undefined || !mayRead(actor, registry.get(kept.subject)))
    throw new CordonError('not-found', `there is no record ${JSON.stringify(id.slice(0, 60))}`, {
      fix: 'cordon blocks lists ids',
    });
  return JSON.parse(kept.json) as SessionRecord;
}

function changeFor({ daemon }: AdminContext, record: SessionRecord): Change {
  const row = daemon.audit.registry.get(record.session);
  if (row === undefined || (record.disposition !== 'denied' && record.disposition !== 'would-deny'))
    return { yaml: '', file: '', notes: [] };
  try {
    return daemon.profiles.smallestChange(record, daemon.planRequestOf(row.uid, row.facts));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { yaml: '', file: '', notes: [`no change can be worked out: ${text}`] };
  }
}
