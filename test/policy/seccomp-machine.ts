// A classic BPF machine as seccomp(2) runs it, and a disassembler: an independent reading of the program.
export interface Call {
  readonly arch: number;
  readonly nr: number;
  readonly args?: readonly bigint[];
}

export interface Outcome {
  /** SECCOMP_RET_* with its data. */
  readonly action: number;
  /** True when the program read a register argument on the way. */
  readonly readArguments: boolean;
  readonly steps: number;
}

export const ALLOW = 0x7fff0000;
export const NOTIFY = 0x7fc00000;
export const errnoAction = (errno: number): number => 0x50000 | errno;

interface Decoded {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export function decode(program: Uint8Array): readonly Decoded[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  return Array.from({ length: program.length / 8 }, (_, i) => ({
    code: view.getUint16(8 * i, true),
    jt: view.getUint8(8 * i + 2),
    jf: view.getUint8(8 * i + 3),
    k: view.getUint32(8 * i + 4, true),
  }));
}

/** struct seccomp_data: nr i32, arch u32, instruction pointer u64, args u64[6]. */
function seccompData({ arch, nr, args = [] }: Call): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, nr >>> 0, true);
  view.setUint32(4, arch, true);
  args.forEach((arg, i) => view.setBigUint64(16 + 8 * i, BigInt.asUintN(64, arg), true));
  return view;
}

export function run(program: readonly Decoded[], call: Call): Outcome {
  const data = seccompData(call);
  let accumulator = 0;
  let readArguments = false;
  let pc = 0;
  for (let steps = 1; steps <= program.length; steps++) {
    const at = program[pc];
    if (at === undefined) throw new Error(`the program counter ${pc} is out of range`);
    const { code, jt, jf, k } = at;
    pc++;
    const branch = (taken: boolean): void => {
      pc += taken ? jt : jf;
    };
    switch (code) {
      case 0x20:
        if (k % 4 !== 0 || k > 60) throw new Error(`load at ${k}`);
        accumulator = data.getUint32(k, true);
        readArguments ||= k >= 16;
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        branch(accumulator === k);
        break;
      case 0x35:
        branch(accumulator >= k);
        break;
      case 0x45:
        branch((accumulator & k) !== 0);
        break;
      case 0x06:
        return { action: k, readArguments, steps };
      default:
        throw new Error(`instruction ${code.toString(16)}`);
    }
  }
  throw new Error('the program does not end');
}

const hex = (k: number): string => `0x${k.toString(16)}`;

function actionText(k: number): string {
  if (k === ALLOW) return 'allow';
  if (k === NOTIFY) return 'notify';
  return `errno ${k & 0xffff}`;
}

/** One line an instruction; jump targets absolute; numbers of the search tree with their names. */
export function disassemble(program: readonly Decoded[], names: ReadonlyMap<number, string>): string {
  const width = 4;
  const target = (n: number): string => String(n).padStart(width, '0');
  const line = ({ code, jt, jf, k }: Decoded, at: number): string => {
    const to = (skip: number): string => target(at + 1 + skip);
    switch (code) {
      case 0x20:
        if (k < 16) return k === 0 ? 'load nr' : 'load arch';
        return `load arg${(k - 16) >> 3}.${(k & 4) === 0 ? 'low' : 'high'}`;
      case 0x54:
        return `and ${hex(k)}`;
      case 0x05:
        return `goto ${to(k)}`;
      case 0x15:
        return `if == ${hex(k)} goto ${to(jt)} else ${to(jf)}`;
      case 0x35:
        return `if >= ${k}${names.has(k) ? ` (${names.get(k)!})` : ''} goto ${to(jt)} else ${to(jf)}`;
      case 0x45:
        return `if & ${hex(k)} goto ${to(jt)} else ${to(jf)}`;
      default:
        return `return ${actionText(k)}`;
    }
  };
  return program.map((instruction, at) => `${target(at)}  ${line(instruction, at)}\n`).join('');
}
