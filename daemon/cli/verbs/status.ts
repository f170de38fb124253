// `cordon status`: is the daemon there, and what has it done.
import { columns } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import { spanText } from '../text/time.ts';
import type { VerbAction } from '../verb.ts';

const more = (json: string): unknown => (json === '' ? {} : JSON.parse(json));

/** `software` is said wherever anything is said. */
function attestationRow(json: string): string[][] {
  const { attestation } = more(json) as {
    readonly attestation?: { readonly tpm: string; readonly verdict: string; readonly reason: string };
  };
  if (attestation === undefined) return [];
  const { tpm, verdict, reason } = attestation;
  const by = tpm === 'none' ? '' : ` (${tpm === 'software' ? 'SOFTWARE' : tpm} TPM)`;
  return [['attested', printable(`${verdict}${by}: ${reason}`)]];
}

/** Only what somebody has to act on. */
function policyRow(json: string): string[][] {
  const { policyProblem } = more(json) as { readonly policyProblem?: string | null };
  return typeof policyProblem === 'string'
    ? [['policy', printable(`NOT RELOADED, the last good one is in force: ${policyProblem}`)]]
    : [];
}

/** Only what somebody has to act on. */
function keysRow(json: string): string[][] {
  const { keys } = more(json) as {
    readonly keys?: { readonly locked: boolean; readonly reason: string; readonly fix: string };
  };
  return keys?.locked === true ? [['keys', printable(`LOCKED: ${keys.reason} (${keys.fix})`)]] : [];
}

/** What should be sealed and cannot be is not kept. */
function sealingRow(json: string): string[][] {
  const { sealing } = more(json) as { readonly sealing?: { readonly dropped: string } };
  if (sealing === undefined || sealing.dropped === '') return [];
  return [['sealing', printable(`VALUES ARE DROPPED that should be sealed: ${sealing.dropped}`)]];
}

export const status: VerbAction = async ({ daemon, json, colours, now, out }) => {
  const answer = await daemon.ask('status', {}, 'statusAnswer');
  const { version, pid, started, sessions, killed, records, denied } = answer;
  const uptime = Math.max(0, now - started);
  if (json) {
    const facts = {
      version,
      pid,
      started,
      uptime,
      sessions,
      killed,
      records,
      denied,
      more: more(answer.json),
    };
    out(JSON.stringify(facts));
    return 0;
  }
  const launches = killed ? 'refused since kill --all; allow them: cordon resume --all' : 'allowed';
  const rows = [
    ['cordond', `${version}, pid ${pid}, up ${spanText(uptime)}`],
    ['launches', launches],
    ['sessions', String(sessions)],
    ['records', `${records}, ${denied} of them denied`],
    ...policyRow(answer.json),
    ...attestationRow(answer.json),
    ...keysRow(answer.json),
    ...sealingRow(answer.json),
  ];
  out(
    ...columns([], rows, (cell, column, row) =>
      killed && row === 1 && column === 1 ? colours.red(cell) : cell,
    ),
  );
  return 0;
};
