// What must be on record for each attack, and what `cordon explain` must say about it.
import type { RecordKind, SessionRecord } from '../../daemon/model/mod.ts';
import { exfiltrationName } from './script.ts';
import type { Stage } from './stage.ts';

export interface Expectation {
  readonly attack: string;
  readonly kind: RecordKind;
  /** Part of the record's object. */
  readonly object: string;
  /** True when no profile change may allow it. */
  readonly never: boolean;
}

export const expectations = ({ user, workspace }: Stage): Expectation[] => [
  { attack: 'reading a private key', kind: 'file', object: `${user.home}/.ssh`, never: true },
  { attack: 'writing outside', kind: 'file', object: `${user.home}/outside.txt`, never: false },
  { attack: 'changing a shell start-up file', kind: 'file', object: `${user.home}/.bashrc`, never: false },
  { attack: 'installing a git hook', kind: 'file', object: `${workspace}/.git/hooks`, never: false },
  { attack: 'reaching the metadata service', kind: 'connect', object: '169.254.169.254', never: false },
  { attack: 'telling a name to the resolver', kind: 'name', object: exfiltrationName, never: false },
];

export const recordOf = (
  expected: Expectation,
  blocks: readonly SessionRecord[],
): SessionRecord | undefined =>
  blocks.find(
    (record) =>
      record.kind === expected.kind &&
      record.disposition === 'denied' &&
      record.object.toLowerCase().includes(expected.object.toLowerCase()),
  );
