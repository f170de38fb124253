// TPM_RC (Part 2, 6.6): numbers to names, for messages that say what happened.

const formatOne = (code: number): boolean => (code & 0x80) !== 0;

/** Format one without the bits that say which handle, parameter or session. */
const parameterErrors: ReadonlyMap<number, string> = new Map([
  [0x081, 'ASYMMETRIC'],
  [0x082, 'ATTRIBUTES'],
  [0x083, 'HASH'],
  [0x084, 'VALUE'],
  [0x085, 'HIERARCHY'],
  [0x087, 'KEY_SIZE'],
  [0x08a, 'TYPE'],
  [0x08b, 'HANDLE'],
  [0x08e, 'AUTH_FAIL'],
  [0x08f, 'NONCE'],
  [0x090, 'PP'],
  [0x092, 'SCHEME'],
  [0x095, 'SIZE'],
  [0x096, 'SYMMETRIC'],
  [0x097, 'TAG'],
  [0x098, 'SELECTOR'],
  [0x09a, 'INSUFFICIENT'],
  [0x09b, 'SIGNATURE'],
  [0x09c, 'KEY'],
  [0x09d, 'POLICY_FAIL'],
  [0x09f, 'INTEGRITY'],
  [0x0a0, 'TICKET'],
  [0x0a1, 'RESERVED_BITS'],
  [0x0a2, 'BAD_AUTH'],
  [0x0a3, 'EXPIRED'],
  [0x0a4, 'POLICY_CC'],
  [0x0a5, 'BINDING'],
  [0x0a6, 'CURVE'],
  [0x0a7, 'ECC_POINT'],
]);

const otherErrors: ReadonlyMap<number, string> = new Map([
  [0x100, 'INITIALIZE'],
  [0x101, 'FAILURE'],
  [0x120, 'DISABLED'],
  [0x121, 'EXCLUSIVE'],
  [0x124, 'AUTH_TYPE'],
  [0x125, 'AUTH_MISSING'],
  [0x126, 'POLICY'],
  [0x127, 'PCR'],
  [0x128, 'PCR_CHANGED'],
  [0x142, 'COMMAND_SIZE'],
  [0x143, 'COMMAND_CODE'],
  [0x144, 'AUTHSIZE'],
  [0x146, 'NV_RANGE'],
  [0x147, 'NV_SIZE'],
  [0x148, 'NV_LOCKED'],
  [0x149, 'NV_AUTHORIZATION'],
  [0x14a, 'NV_UNINITIALIZED'],
  [0x14b, 'NV_SPACE'],
  [0x14c, 'NV_DEFINED'],
  [0x902, 'OBJECT_MEMORY'],
  [0x903, 'SESSION_MEMORY'],
  [0x904, 'MEMORY'],
  [0x905, 'SESSION_HANDLES'],
  [0x906, 'OBJECT_HANDLES'],
  [0x908, 'YIELDED'],
  [0x90a, 'TESTING'],
  [0x920, 'NV_RATE'],
  [0x921, 'LOCKOUT'],
  [0x922, 'RETRY'],
  [0x923, 'NV_UNAVAILABLE'],
]);

/** `AUTH_FAIL` for 0x98e; `0x…` for a number that has no name here. */
export function responseName(code: number): string {
  const known = formatOne(code) ? parameterErrors.get(code & 0xbf) : otherErrors.get(code);
  return known ?? `0x${code.toString(16)}`;
}

const RC = {
  initialize: 0x100,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  sessionHandles: 0x905,
  objectHandles: 0x906,
  yielded: 0x908,
  testing: 0x90a,
  lockout: 0x921,
  retry: 0x922,
} as const;

export const isTransient = (code: number): boolean =>
  code === RC.retry || code === RC.yielded || code === RC.testing;
export const isFull = (code: number): boolean =>
  code === RC.objectMemory ||
  code === RC.sessionMemory ||
  code === RC.sessionHandles ||
  code === RC.objectHandles;
export const isLockout = (code: number): boolean => code === RC.lockout;
export const isUnstarted = (code: number): boolean => code === RC.initialize;

/** The TPM refused a command. `code` is its response code, `response` that code's name. */
export class TpmError extends Error {
  readonly command: string;
  readonly code: number;
  readonly response: string;
  constructor(command: string, code: number) {
    super(`TPM2_${command}: ${responseName(code)} (0x${code.toString(16)})`);
    this.name = 'TpmError';
    this.command = command;
    this.code = code;
    this.response = responseName(code);
  }
}
