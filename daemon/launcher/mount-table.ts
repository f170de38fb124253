// Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)).

export interface Mount {
  readonly id: number;
  /** Byte path, octal escapes undone. */
  readonly target: string;
  readonly type: string;
  readonly source: string;
}

const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));

/** `text` as latin1. Malformed lines are an error: a mount that we do not understand must not be overlooked. */
export function parseMountInfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [left, right] = line.split(' - ');
      const fields = left?.split(' ') ?? [];
      const [type, source] = right?.split(' ') ?? [];
      const target = fields[4];
      if (target === undefined || type === undefined)
        throw new Error(`mountinfo line not understood: ${line}`);
      return { id: Number(fields[0]), target: unescape(target), type, source: unescape(source ?? '') };
    });
}

/** True when `path` is `directory` or below it. Both absolute and normalised. */
export const isWithin = (path: string, directory: string): boolean =>
  directory === '/' || path === directory || path.startsWith(`${directory}/`);
