// Which PCRs are quoted. Numbers as in the TCG PC Client Platform Firmware Profile and the Linux TPM PCR Registry.
import { ascending } from '../../native-bindings/tpm/wire/mod.ts';

/** Firmware, boot loader and Secure Boot state; 9 and 14 are what boot loaders measure (initrd, shim's keys). */
export const defaultPcrs: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 14];
/**
 * What is sealed to when nothing else is said: firmware, its options' code, and Secure Boot's state. A new kernel or
 * boot loader changes none of them where Secure Boot is on; a new firmware does.
 */
export const defaultSealedPcrs: readonly number[] = [0, 2, 7];
/** Where Linux IMA measures. */
export const imaPcr = 10;
/** Anybody on the machine may reset these: quoted, they would prove nothing. */
export const resettablePcrs: readonly number[] = [16, 23];

export const pcrsToQuote = (configured: readonly number[], withIma: boolean): number[] =>
  ascending(withIma ? [...configured, imaPcr] : configured);
