import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { builtInProfiles, loadPolicy, testTableOf } from '../../daemon/config/profiles.ts';
import { policyTest, protections } from '../../daemon/policy/mod.ts';
import schema from '../../profiles/profile.schema.json' with { type: 'json' };

const state = loadPolicy({ profileDirs: [], managedFile: join(builtInProfiles(), 'no-managed.yaml') });

t.same(state.problems, [], 'every built-in profile is valid');

for (const [name, source] of state.sources) {
  t.test(`the built-in profile ${name} gives the verdicts of its table`, async (t) => {
    const table = testTableOf(source);
    if (!table) throw new Error(`${name} has no table of expected verdicts`);
    const report = policyTest(table, state.sources);
    for (const each of report.results.filter(({ ok }) => !ok)) {
      t.fail(
        `${each.file}:${each.line}: ${each.question}: expected ${each.expected}, got ${each.got} (${each.rule})`,
      );
    }
    t.equal(report.profile, name);
    t.ok(report.passed > 0);
  });
}

t.test('every table belongs to a profile', async (t) => {
  const directory = builtInProfiles();
  for (const file of readdirSync(directory).filter((each) => each.endsWith('.test.yaml'))) {
    t.ok(existsSync(join(directory, file.replace('.test.yaml', '.yaml'))), file);
  }
});

t.test('the schema names exactly the protections there are', async (t) => {
  t.same([...schema.definitions.protection.enum].sort(), protections.map(({ name }) => name).sort());
});
