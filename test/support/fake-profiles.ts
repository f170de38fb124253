// A MOCK of the policy side, for tests of daemon/control only: profiles `open` (allows everything), `closed` (denies
// everything) and `watching` (as open, in monitor mode). `reload` changes what `open` is. To show `dear` takes a while.
import { CordonError } from '../../daemon/model/mod.ts';
import type { Mode, Plan, RuleInfo, TokenPolicy } from '../../daemon/model/mod.ts';
import type { PlanRequest, Profiles } from '../../daemon/control/mod.ts';

const rule = (id: string): RuleInfo => ({ id, source: { file: 'fake', line: 1, key: id }, never: false });

const tokens: TokenPolicy = {
  rule: 1,
  attestation: 'none',
  lifetime: 300,
  audiences: ['https://api.example'],
  tools: ['search'],
  rows: [],
};

/** Milliseconds. */
const dear = 100;

export interface FakeProfiles extends Profiles {
  reload(problem?: string): void;
}

export function fakeProfiles(): FakeProfiles {
  let version = 1;
  let listener: (problem: string | undefined) => void = () => undefined;
  const ownMode = ({ profile }: PlanRequest): Mode => (profile === 'watching' ? 'monitor' : 'enforce');
  const plan = (request: PlanRequest): Plan => {
    const { profile, generation, mode } = request;
    if (!['open', 'closed', 'watching'].includes(profile))
      throw new CordonError('not-found', `there is no profile ${profile}`);
    return {
      capabilitySet: {
        generation,
        mode: mode ?? ownMode(request),
        policyDigest: `${profile}-${version}-${mode ?? ''}`,
        profile: { name: profile, version },
        rules: [rule('builtin/default-deny'), rule(`${profile}/files[0]`)],
        files:
          profile === 'closed' ? [] : [{ rule: 1, effect: 'allow', access: ['read'], base: '/', glob: '' }],
        exec: [],
        network: [{ rule: 1, effect: 'allow', host: 'api.example', port: 443 }],
        sockets: [],
        ...(profile === 'closed' ? {} : { tokens }),
      },
      writable: [],
      masks: [],
      network: false,
      environment: { pass: [], set: {} },
      limits: { processes: 10, memory: 0, cpuPercent: 0, wall: 0 },
      mayLack: [],
    };
  };
  return {
    plan,
    ownMode,
    identity: () => ({ digest: '00'.repeat(32), version }),
    show: ({ profile, user }) => {
      if (profile === 'dear') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, dear);
      return JSON.stringify({ profile, user });
    },
    smallestChange: ({ object }) => ({
      yaml: `files: [{ allow: [read], in: [${object}] }]`,
      file: 'fake',
      notes: [],
    }),
    onReload: (given) => (listener = given),
    reload: (problem) => {
      if (problem === undefined) version += 1;
      listener(problem);
    },
    close: () => undefined,
  };
}
