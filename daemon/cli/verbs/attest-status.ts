// `cordon attest status`: what TPM there is, and what was last proved.
import { columns } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import { spanText } from '../text/time.ts';
import type { VerbAction } from '../verb.ts';
import type { AttestationState } from '../../model/mod.ts';

interface Tpm {
  readonly name: string;
  readonly kind: string;
  readonly manufacturer: string;
  readonly vendor: string;
  readonly firmware: string;
  readonly lockout: { readonly failures: number; readonly limit: number; readonly locked: boolean };
}
export interface Keys {
  readonly held: 'tpm' | 'file';
  readonly locked: boolean;
  readonly reason: string;
  readonly fix: string;
}
interface Shown {
  readonly keys: Keys;
  readonly state: AttestationState;
  readonly enrolled: boolean;
  readonly tpm: Tpm | null;
}

function verdictText({ verdict, reason, freshUntil }: AttestationState, now: number): string {
  if (verdict !== 'passed') return `${verdict}: ${reason}`;
  return now < freshUntil ? `passed, for ${spanText(freshUntil - now)} more` : 'passed, but too old by now';
}

const tpmText = ({ kind, manufacturer, vendor, firmware, name }: Tpm): string =>
  `${kind === 'software' ? 'SOFTWARE (proves nothing outside tests)' : kind}: ${manufacturer} ${vendor}, firmware ${firmware}, at ${name}`;

const lockoutText = ({ failures, limit, locked }: Tpm['lockout']): string =>
  `${locked ? 'LOCKED OUT, ' : ''}${failures} of ${limit} failed authorisations`;

const keysText = ({ held, locked, reason, fix }: Keys): string => {
  if (held === 'file') return `in files: ${reason}`;
  return locked ? `LOCKED: ${reason} (${fix})` : reason;
};

export const attestStatus: VerbAction = async ({ daemon, json, now, out, colours }) => {
  const { text } = await daemon.ask('attest', { verb: 'status' }, 'attestAnswer');
  if (json) {
    out(text);
    return 0;
  }
  const { state, enrolled, tpm, keys } = JSON.parse(text) as Shown;
  const rows = [
    ['tpm', tpm === null ? 'none' : printable(tpmText(tpm))],
    ...(tpm === null ? [] : [['lockout', lockoutText(tpm.lockout)]]),
    ['enrolled', enrolled ? 'yes' : 'no: cordon attest enroll'],
    ['attested', printable(verdictText(state, now))],
    ['keys', printable(keysText(keys))],
  ];
  out(
    ...columns([], rows, (cell, column, row) =>
      column === 1 && row === 0 && tpm?.kind === 'software' ? colours.yellow(cell) : cell,
    ),
  );
  return 0;
};
