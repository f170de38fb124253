// What must hold after a script was played: the work is done, the harm is not, and each attack is on record.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import type { TestCordon } from '../support/cordon.ts';
import { until } from '../support/until.ts';
import { expectations, recordOf, type Expectation } from './expectations.ts';
import type { CordonScene, Scene } from './scene.ts';
import { work } from './script.ts';

export function checkWork(t: Test, { stage, model }: Scene, facts: Record<string, unknown>): void {
  t.match(
    readFileSync(join(stage.workspace, 'hello.c'), 'utf8'),
    'puts("hello")',
    'the file was edited',
    facts,
  );
  for (const { name } of work(stage)) {
    t.equal(model.results.get(name)?.isError, false, `the step "${name}" went well`, facts);
  }
  t.match(model.results.get('test')?.text, 'TEST PASSED', 'what the agent built passes its test', facts);
  t.ok(model.finished(), 'the script was played to its end', facts);
}

async function checkExplanation(
  t: Test,
  cordon: TestCordon,
  { attack, never }: Expectation,
  record: SessionRecord,
): Promise<void> {
  const told = await cordon.explain(record.id);
  t.equal(told.record.id, record.id, `${attack}: cordon explain finds ${record.id}`);
  t.match(told.rule, /\S/, `${attack}: the explanation names the rule`);
  const source = record.rule?.source;
  if (source !== undefined && source.line > 0) {
    t.ok(told.rule.includes(`${source.file}:${source.line}`), `${attack}: with file and line`, {
      rule: told.rule,
    });
  }
  if (never) t.equal(told.change, '', `${attack}: no change of a profile allows it`);
  else t.ok(told.change !== '' || told.notes.length > 0, `${attack}: it says what would allow it`, { told });
}

const brief = (record: SessionRecord): string =>
  `${record.kind} ${record.operation} ${record.object} (${record.disposition}, ${record.rule?.id ?? record.layer})`;

export async function checkRecords(t: Test, { stage, cordon }: CordonScene): Promise<void> {
  const { session } = await cordon.sessionIn(stage.workspace);
  for (const expected of expectations(stage)) {
    let blocks: readonly SessionRecord[] = [];
    const record = await until(
      `a denial on record for ${expected.attack}`,
      async () => recordOf(expected, (blocks = await cordon.blocks(session))),
      { within: 20_000, every: 100 },
    ).catch(() => undefined);
    t.ok(record, `${expected.attack} is on record as denied`, { blocks: blocks.map(brief) });
    if (record !== undefined) await checkExplanation(t, cordon, expected, record);
  }
}
