// Cost of one decision in process, by number of rules. Run:
//   bash daemon/scripts/node24.sh test/bench/decision.ts
// Each figure is the time of one call, from batches of 16 calls on names drawn at random from the rules and beside them.
import { createDecider } from '../../daemon/decision/mod.ts';
import type { BytePath, CapabilitySet, Decider, NetworkQuery } from '../../daemon/model/mod.ts';

const sizes = [10, 1_000, 100_000];
const samples = 20_000;
const batch = 16;

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function setOf(count: number): CapabilitySet {
  const next = random(count);
  const source = { file: 'bench', line: 1, key: 'bench' };
  const rules = [
    { id: 'builtin/default-deny', source, never: false },
    { id: 'bench', source, never: false },
  ];
  const access = ['read', 'write', 'exec'] as const;
  const files = Array.from({ length: count }, (_, i) => {
    const base = `/d${i % 40}/e${Math.floor(next() * 50)}/f${i}/g`;
    const glob = i % 10 === 0 ? `**/name${i}` : i % 10 === 1 ? `*.ext${i}` : '';
    return { rule: 1, effect: 'allow' as const, access, base: i % 50 === 0 ? '' : base, glob };
  });
  const network = Array.from({ length: count }, (_, i) => ({
    rule: 1,
    effect: 'allow' as const,
    host:
      i % 3 === 0
        ? `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`
        : `${i % 3 === 1 ? '*' : 'api'}.h${i}.example.com`,
    port: 443,
  }));
  return {
    generation: 1,
    mode: 'enforce',
    policyDigest: '',
    profile: { name: 'bench', version: 1 },
    rules,
    files: files.map((rule) => ({ ...rule, base: rule.base === '' ? '/' : rule.base })),
    exec: [],
    network,
    sockets: [],
  };
}

/** As a mediator has it: read from bytes, not glued from strings. */
const flat = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

function paths(set: CapabilitySet): BytePath[] {
  const next = random(7);
  return Array.from({ length: 4096 }, () => {
    const rule = set.files[Math.floor(next() * set.files.length)]!;
    return flat(`${rule.base}/src/${next().toString(36).slice(2)}/file.ts`) as BytePath;
  });
}

function hosts(set: CapabilitySet): NetworkQuery[] {
  const next = random(11);
  return Array.from({ length: 4096 }, () => {
    const rule = set.network[Math.floor(next() * set.network.length)]!;
    return { host: flat(rule.host.replace('*', 'deep.label')), port: 443 };
  });
}

function measure(call: (i: number) => void): { p50: number; p99: number } {
  for (let i = 0; i < 100_000; i++) call(i);
  const times = new Float64Array(samples);
  for (let s = 0; s < samples; s++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < batch; i++) call(s * batch + i);
    times[s] = Number(process.hrtime.bigint() - begin) / batch / 1000;
  }
  times.sort();
  return { p50: times[samples >> 1]!, p99: times[Math.floor(samples * 0.99)]! };
}

function rows(decider: Decider): Record<string, { p50: number; p99: number }> {
  const names = paths(decider.capabilitySet);
  const destinations = hosts(decider.capabilitySet);
  return {
    'file read': measure((i) => decider.file({ access: 'read', path: names[i & 4095]! })),
    exec: measure((i) => decider.exec(names[i & 4095]!)),
    'host or address, port': measure((i) => decider.network(destinations[i & 4095]!)),
  };
}

console.log('$ bash daemon/scripts/node24.sh test/bench/decision.ts');
console.log(
  `${'decision'.padEnd(24)}${'rules'.padStart(9)}${'p50 µs'.padStart(10)}${'p99 µs'.padStart(10)}${'build ms'.padStart(10)}`,
);
for (const size of sizes) {
  const set = setOf(size);
  const begin = performance.now();
  const decider = createDecider(set);
  const build = performance.now() - begin;
  for (const [name, { p50, p99 }] of Object.entries(rows(decider))) {
    const cells = [
      String(size).padStart(9),
      p50.toFixed(2).padStart(10),
      p99.toFixed(2).padStart(10),
      build.toFixed(0).padStart(10),
    ];
    console.log(`${name.padEnd(24)}${cells.join('')}`);
  }
}
