import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runDoctor } from '../../daemon/session/doctor.ts';
import type { Check, DoctorSettings } from '../../daemon/session/doctor.ts';
import { judgeDisk, judgeKernel } from '../../daemon/session/doctor/machine.ts';
import { probes } from '../../daemon/session/doctor/probes.ts';
import { explainRefusal, missingCapabilities } from '../../daemon/session/doctor/refusal.ts';
import { allLayers } from '../../daemon/model/mod.ts';
import { E, SyscallError } from '../../native-bindings/linux/mod.ts';

const directory = mkdtempSync(join(tmpdir(), 'cordon-doctor-'));
const settings: DoctorSettings = {
  stateDir: mkdtempSync(join(directory, 'state-')),
  runDir: mkdtempSync(join(directory, 'run-')),
};
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

t.test('every layer of the model has a probe of its own', async (t) => {
  const names = probes.map((probe) => probe.name);
  t.same(
    allLayers.filter((layer) => !names.includes(layer)),
    [],
  );
  t.equal(new Set(names).size, names.length);
});

t.test('the doctor uses every layer of this machine, and leaves nothing behind', async (t) => {
  const checks = await runDoctor(settings);
  t.same(
    checks.map((check) => check.name),
    probes.map((probe) => probe.name),
  );
  for (const { name, state, detail, fix } of checks) {
    t.equal(fix === '', state === 'ok', `${name}: advice exactly when there is something to do`);
    t.not(detail, '', name);
    if (state === 'ok') t.pass(`${name}: ${detail}`);
    else t.pass(name, { skip: `${state}: ${detail}` });
  }
  t.same(readdirSync(settings.runDir), []);
});

/** Runs all probes with a program of the test's in place of the probe. */
async function withEntry(source: string, patience = 60_000): Promise<readonly Check[]> {
  const entry = join(directory, 'entry.mjs');
  writeFileSync(entry, source);
  return runDoctor(settings, { entry, patience, width: 4 });
}

t.test('a probe that crashes, hangs or talks nonsense is a failed check with advice', async (t) => {
  for (const check of await withEntry("console.error('it went wrong'); process.exit(3)")) {
    t.match(check, { state: 'fail', detail: 'the probe ended without a result: it went wrong', fix: /./ });
  }
  for (const check of await withEntry('setInterval(() => {}, 1000)', 300)) {
    t.match(check, { state: 'fail', detail: 'the probe hung and was ended', fix: /./ });
  }
  for (const check of await withEntry(`console.log('{"state":"perfect","detail":"","fix":""}')`)) {
    t.match(check, { state: 'fail', detail: 'the probe ended without a result' });
  }
});

t.test('a kernel is judged by its version', async (t) => {
  t.match(judgeKernel('6.18.44'), { state: 'ok' });
  t.match(judgeKernel('7.0.0-rc1'), { state: 'ok' });
  t.match(judgeKernel('6.1.0-18-amd64'), { state: 'warn' });
  t.match(judgeKernel('5.15.0'), { state: 'fail' });
  t.throws(() => judgeKernel('unknown'), /not understood/);
});

t.test('a state directory without room is a failure before sessions find out', async (t) => {
  t.match(judgeDisk('/var/lib/cordon', 10 * 2 ** 20), { state: 'fail', detail: /10 MiB/ });
  t.match(judgeDisk('/var/lib/cordon', 500 * 2 ** 20), { state: 'warn' });
  t.match(judgeDisk('/var/lib/cordon', 5000 * 2 ** 20), { state: 'ok' });
});

t.test('missing capabilities are named', async (t) => {
  t.same(missingCapabilities('CapEff:\t000001ffffffffff\n'), []);
  t.same(missingCapabilities('CapEff:\t000001ffffd7ffff\n'), ['SYS_PTRACE', 'SYS_ADMIN']);
  t.ok(missingCapabilities('').includes('SYS_ADMIN'));
});

const whole = {
  status: 'CapEff:\t000001ffffffffff\nSeccomp:\t0\n',
  uidMap: '         0          0 4294967295\n',
};

t.test(
  'what the kernel refuses is explained by what cordond lacks, and the advice is about that',
  async (t) => {
    const refused = new SyscallError('unshare', E.PERM);
    t.match(explainRefusal(refused, { ...whole, status: 'CapEff:\t000001ffffdfffff\n' }), {
      detail: 'unshare: EPERM: cordond lacks CAP_SYS_ADMIN',
      fix: /container/,
    });
    t.match(explainRefusal(refused, { ...whole, uidMap: '0 1000 1\n' }), {
      detail: /root of a user namespace/,
      fix: /on the machine itself/,
    });
    t.match(
      explainRefusal(refused, { ...whole, status: whole.status.replace('Seccomp:\t0', 'Seccomp:\t2') }),
      {
        detail: /seccomp filter on it/,
      },
    );
    t.strictSame(
      explainRefusal(refused, whole),
      { state: 'fail', detail: 'unshare: EPERM' },
      'the probe has its own advice',
    );
    t.strictSame(explainRefusal(new SyscallError('mount', E.NOENT), whole), {
      state: 'fail',
      detail: 'mount: ENOENT',
    });
  },
);

t.test(
  'a probe that may not do what it tries says which capability is missing',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async (t) => {
    const stage = mkdtempSync(join(directory, 'stage-'));
    const entry = fileURLToPath(new URL('../../daemon/session/doctor-probe.ts', import.meta.url));
    const lacking = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--', process.execPath, entry];
    const found = spawnSync(
      'setpriv',
      [...lacking, 'mount-namespace', JSON.stringify({ ...settings, stage })],
      {
        encoding: 'utf8',
      },
    );
    t.match(JSON.parse(found.stdout), {
      name: 'mount-namespace',
      state: 'fail',
      detail: 'unshare: EPERM: cordond lacks CAP_SYS_ADMIN',
    });
  },
);
