// From a launch order and its plan to what the threads of the sandbox are told.
import { closeSync, realpathSync, statSync } from 'node:fs';
import { Files, mounts } from '../../native-bindings/linux/mod.ts';
import { hiddenBelow, type Hidden } from '../launcher/mod.ts';
import type { CapabilitySet, Plan } from '../model/mod.ts';
import { controlSocketIds } from '../supervisor/mod.ts';
import type { Launch } from '../wire/mod.ts';
import type { GroundOptions } from './ground.ts';
import type { BeginNotify, Confined } from './messages.ts';
import { findNeverObjects, type NeverObjects } from './never-objects.ts';
import type { Sandbox } from './sandbox.ts';

export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What the preparation of this session will look at. In monitor mode nothing is hidden. */
export function groundOf({ workspace, home }: Launch, plan: Plan, mountTable: string): GroundOptions {
  const watched = plan.capabilitySet.mode !== 'monitor';
  const [masks, images] = watched ? [plan.masks, neverImages(plan.capabilitySet)] : [[], []];
  const places = [...plan.writable, latin1(workspace), latin1(home)];
  return { masks, images, never: findNeverObjects(masks, images), places, mountTable };
}

export interface Confining {
  readonly order: Launch;
  readonly plan: Plan;
  readonly never: NeverObjects;
  /** Descriptor under which the threads write records. */
  readonly journal: number;
  readonly shared: SharedArrayBuffer;
  readonly egress: BeginNotify['egress'];
  /** cordond's. */
  readonly runDir: string;
}

/** The three threads take on the session. */
export async function confineSession(sandbox: Sandbox, c: Confining): Promise<Confined> {
  const { order, plan, never } = c;
  const { uid, gid, tty: terminal } = order;
  const common = {
    session: order.session,
    journal: c.journal,
    shared: c.shared,
    capabilitySet: plan.capabilitySet,
    never: never.ids,
    neverExec: never.execIds,
    neverHasNames: never.haveNames,
    terminal,
  };
  // A detached mount each for the agent's tree and the mediator's.
  const agentSockets = [agentDirectory(order), agentDirectory(order)] as const;
  const hidden = [hiddenWorkspace(order), hiddenWorkspace(order)] as const;
  const confined = await sandbox.begin(
    {
      uid,
      gid,
      masks: never.masks,
      agentSocket: agentSockets[0],
      hidden: hidden[0],
      fifos: ['/tmp', ...plan.writable.filter(isThere)],
      terminal: terminal ? { rows: order.rows, columns: order.columns } : undefined,
      limits: plan.limits,
    },
    common,
    {
      ...common,
      uid,
      gid,
      writable: plan.capabilitySet.mode === 'monitor' ? ['/'] : plan.writable,
      sealed: never.masks.map((mask) => mask.path),
      workspace: latin1(order.workspace),
      control: controlSockets(c.runDir),
      agentSocket: agentSockets[1],
      joinCgroup: sandbox.cgroup.openJoin(),
      hidden: hidden[1],
      egress: c.egress,
    },
  );
  for (const fd of [...agentSockets, ...hidden.map((one) => one?.mount ?? -1)]) if (fd >= 0) closeSync(fd);
  return confined;
}

function controlSockets(runDir: string): BeginNotify['control'] {
  const directory = realpathSync(runDir, 'latin1');
  return { directory, ids: controlSocketIds(new Files(), directory) };
}

/** A detached mount of the directory with the session's agent socket; -1 when there is none. */
const agentDirectory = ({ agentSocketPath }: Launch): number =>
  agentSocketPath === '' ? -1 : mounts.cloneTree(agentSocketPath.replace(/\/[^/]*$/, ''), false);

/** The workspace when the sandbox has a private place around it. */
function hiddenWorkspace({ workspace }: Launch): Hidden | undefined {
  const path = latin1(workspace);
  return hiddenBelow(path) === undefined ? undefined : { path, mount: mounts.cloneTree(path, false) };
}

/** Images named literally by `never` exec rules. */
const neverImages = ({ exec, rules }: CapabilitySet): string[] =>
  exec
    .filter(({ effect, glob, rule }) => effect === 'deny' && glob === '' && rules[rule]?.never === true)
    .map(({ base }) => base);

const isThere = (path: string): boolean =>
  statSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false }) !== undefined;
