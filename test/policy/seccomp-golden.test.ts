// The loaded programs, as text. A change of the table or the assembler shows here as a reviewable difference.
// To accept one: UPDATE_GOLDEN=1 and run this test.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { callsOf, seccompProgram } from '../../daemon/policy/seccomp/mod.ts';
import type { Arch } from '../../daemon/policy/seccomp/mod.ts';
import type { Rule, Test } from '../../daemon/policy/seccomp/rule.ts';
import { decode, disassemble } from './seccomp-machine.ts';

function testText(test: Test): string {
  const arg = `arg${test.arg}`;
  if (test.is === 'null') return `${arg} is null`;
  if (test.is === 'any-bit') return `${arg} & 0x${test.mask.toString(16)}`;
  const values = test.values.map((value) => `0x${value.toString(16)}`).join(' ');
  return `${arg}${test.mask === 0xffffffff ? '' : ` & 0x${test.mask.toString(16)}`} in {${values}}`;
}

function ruleText(rule: Rule): string {
  switch (rule.do) {
    case 'allow':
      return 'allow';
    case 'errno':
      return `errno ${rule.errno}`;
    case 'notify':
      return rule.kind === 'deny' ? `deny ${rule.errno}` : `notify ${rule.kind}`;
    case 'when':
      return `(${testText(rule.test)} ? ${ruleText(rule.then)} : ${ruleText(rule.else)})`;
  }
}

function golden(arch: Arch): string {
  const program = seccompProgram(arch);
  const calls = callsOf(arch)
    .map(({ nr, name, rule }) => `${String(nr).padStart(4)}  ${name.padEnd(26)}${ruleText(rule)}\n`)
    .join('');
  const code = disassemble(decode(program.instructions), program.names);
  return `# ${arch}: what each call gets; every other number is refused with ENOSYS\n${calls}\n# the program\n${code}`;
}

for (const arch of ['x86_64', 'aarch64'] as const) {
  t.test(`the ${arch} program is the reviewed one`, async (t) => {
    const file = fileURLToPath(new URL(`golden/seccomp-${arch}.txt`, import.meta.url));
    const text = golden(arch);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    t.equal(text, readFileSync(file, 'utf8'));
  });
}
