// The table of system calls as a classic BPF program (linux/filter.h, linux/seccomp.h). Every test jumps at most over its own
// few instructions: nothing here depends on the length of the program.
import { allowedCalls, clone3, type AllowedCall, type ArgumentTest } from './syscalls.ts';

export type Architecture = 'x64' | 'arm64';

const LD_W_ABS = 0x20;
const JEQ = 0x15;
const JGE = 0x35;
const AND = 0x54;
const RET = 0x06;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;
const ioUringSetup = 425;
const EPERM = 1;
const ENOSYS = 38;

/** Offsets in struct seccomp_data; arguments are little-endian u64, of which the low word is tested. */
const offsetNr = 0;
const offsetArch = 4;
const offsetArgs = 16;
const audit: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** System call numbers of the x32 ABI have this bit. */
const x32Bit = 0x40000000;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** `pid`: the process may send signals to itself, as abort(3) and raise(3) do. */
export function filterProgram(architecture: Architecture, pid: number): Uint8Array {
  const program: Instruction[] = [
    [LD_W_ABS, 0, 0, offsetArch],
    [JEQ, 1, 0, audit[architecture]],
    [RET, 0, 0, KILL_PROCESS],
    [LD_W_ABS, 0, 0, offsetNr],
  ];
  if (architecture === 'x64') program.push([JGE, 0, 1, x32Bit], [RET, 0, 0, KILL_PROCESS]);
  for (const call of allowedCalls(pid)) program.push(...forCall(call, call[architecture]));
  program.push([JEQ, 0, 1, clone3], [RET, 0, 0, ERRNO | ENOSYS], [RET, 0, 0, ERRNO | EPERM]);
  return assemble(program);
}

/** Refuses io_uring_setup (425 on every architecture) and nothing else. */
export function noRingProgram(): Uint8Array {
  return assemble([
    [LD_W_ABS, 0, 0, offsetNr],
    [JEQ, 0, 1, ioUringSetup],
    [RET, 0, 0, ERRNO | ENOSYS],
    [RET, 0, 0, ALLOW],
  ]);
}

/** With the number in the accumulator: returns, or falls through with the number still there. */
function forCall(call: AllowedCall, nr: number | undefined): readonly Instruction[] {
  if (nr === undefined) return [];
  const tests = (call.tests ?? []).flatMap(forArgument);
  const body: Instruction[] = [...tests, [RET, 0, 0, ALLOW]];
  return [[JEQ, 0, body.length, nr], ...body];
}

/** Returns EPERM unless the argument is one of the values. */
function forArgument(test: ArgumentTest): readonly Instruction[] {
  const values = test.values.map((value, i): Instruction => [JEQ, test.values.length - i, 0, value]);
  return [
    [LD_W_ABS, 0, 0, offsetArgs + 8 * test.index],
    [AND, 0, 0, test.mask],
    ...values,
    [RET, 0, 0, ERRNO | EPERM],
  ];
}

function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, [code, jumpTrue, jumpFalse, k]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jumpTrue, i * 8 + 2);
    bytes.writeUInt8(jumpFalse, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  }
  return bytes;
}
