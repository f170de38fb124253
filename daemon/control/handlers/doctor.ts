import { runDoctor } from '../../session/doctor.ts';
import { message } from '../../wire/mod.ts';
import type { AdminHandler } from '../admin-table.ts';

/** Probes every layer by using it. One at a time: a second asker gets the answer of the first. */
export const doctor: AdminHandler<'doctor'> = async ({ daemon }) => {
  daemon.doctor ??= runDoctor({ runDir: daemon.settings.runDir, stateDir: daemon.settings.stateDir }).finally(
    () => (daemon.doctor = undefined),
  );
  const checks = await daemon.doctor;
  return message('doctorAnswer', { checks });
};
