import { runDoctor } from '../../session/doctor.ts';
import { message } from '../../wire/mod.ts';
import type { DoctorCheck } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';
import type { Daemon } from '../daemon.ts';

/** Sessions run without a TPM; tokens whose profile demands attestation are not minted. */
async function tpmCheck({ attestation }: Daemon): Promise<DoctorCheck> {
  const check = (state: DoctorCheck['state'], detail: string, fix = ''): DoctorCheck => ({
    name: 'tpm',
    state,
    detail,
    fix,
  });
  try {
    const facts = await attestation.facts();
    if (facts === undefined)
      return check(
        'warn',
        'there is no TPM: this machine can prove nothing of itself; sessions run and tokens are minted where the profile demands no attestation',
        'attestation: tpm in cordond’s settings names one',
      );
    const what = `${facts.manufacturer} ${facts.vendor} at ${facts.name}`;
    if (facts.lockout.locked)
      return check('warn', `${what} is in lockout`, 'tpm2_dictionarylockout --clear-lockout');
    if (facts.kind === 'software')
      return check(
        'warn',
        `SOFTWARE TPM (${what}): proves nothing outside tests`,
        'use a TPM of the machine',
      );
    return check('ok', what);
  } catch (error) {
    return check('warn', error instanceof Error ? error.message : String(error), 'cordon attest status');
  }
}

/** Probes every layer by using it. One at a time: a second asker gets the answer of the first. */
export const doctor: AdminHandler<'doctor'> = async ({ daemon }) => {
  const { runDir, stateDir } = daemon.settings;
  daemon.doctor ??= Promise.all([runDoctor({ runDir, stateDir }), tpmCheck(daemon)])
    .then(([checks, tpm]) => [...checks, tpm])
    .finally(() => (daemon.doctor = undefined));
  return message('doctorAnswer', { checks: await daemon.doctor });
};
