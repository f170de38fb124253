// Reads TAP on stdin, prints one line a test file and every failure whole, and ends with
// `N passed, N failed, N skipped` (assertions, counted once, at the depth where they were made).
import { createInterface } from 'node:readline';

let passed = 0;
let failed = 0;
let skipped = 0;
let file = '';
const failures: string[] = [];
let tail: string[] | undefined;

for await (const line of createInterface({ input: process.stdin })) {
  const sub = /^# Subtest: (.*)$/.exec(line);
  if (sub) file = sub[1] ?? '';
  const indent = line.length - line.trimStart().length;
  const m = /^(not )?ok \d+(?: - (.*))?$/.exec(line.trim());
  if (m) {
    tail = undefined;
    const isSuite = /# time=/.test(line) || /\{$/.test(line.trim());
    const skip = /# (SKIP|TODO)/i.exec(line);
    if (indent === 0) console.log(`${m[1] ? 'FAIL' : ' ok '} ${file}`);
    if (skip) {
      skipped++;
      console.log(`     skip: ${line.trim()}`);
    } else if (m[1]) {
      if (!isSuite || indent === 0) failed++;
      failures.push(`${file}: ${line.trim()}`);
      tail = failures;
    } else if (!isSuite) passed++;
  } else if (tail && indent >= 2) tail.push(line);
  else if (/^Bail out!/.test(line.trim())) {
    failed++;
    failures.push(line);
  }
}
if (failures.length > 0) console.log(`\n${failures.join('\n')}\n`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
