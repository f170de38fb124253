// What is the same for all events of a host, a session or the daemon: given by the caller, made text once.
import { quote } from './canonical.ts';

export interface HostFacts {
  readonly hostname: string;
  /** Stable: a hash of the machine id. */
  readonly uid: string;
  readonly os: { readonly name: string; readonly version: string; readonly kernel: string };
  readonly bootId: string;
  readonly product: { readonly version: string };
}

export interface SessionContext {
  readonly session: string;
  readonly user: string;
  readonly uid: number;
  readonly agent: { readonly name: string; readonly version?: string; readonly command: readonly string[] };
  readonly profile: string;
  readonly profileVersion: number;
  readonly policyDigest: string;
  readonly workspace: string;
}

export interface EventContext {
  readonly host: HostFacts;
  /** Undefined for what the daemon does by itself. */
  readonly session?: SessionContext;
}

/** The constant parts of an event, as canonical text. */
export interface Constants {
  /** Objects. */
  readonly device: string;
  readonly product: string;
  readonly host: string;
  readonly app: string;
  readonly user: string;
  readonly policy: string | undefined;
  readonly messageContext: string;
  /** The agent's name, or the daemon's, as a JSON string. */
  readonly appName: string;
}

const known = new WeakMap<EventContext, Constants>();

/** Contexts are compared by identity: a caller that keeps one gets the text made for it. */
export function constantsOf(context: EventContext): Constants {
  const before = known.get(context);
  if (before !== undefined) return before;
  const made = make(context);
  known.set(context, made);
  return made;
}

const text = (value: string): string => quote(value.toWellFormed());

function make({ host, session }: EventContext): Constants {
  const { os } = host;
  const [name, version] = session
    ? [session.agent.name, session.agent.version]
    : ['cordond', host.product.version];
  const app = `{"name":${text(name)}${version === undefined ? '' : `,"version":${text(version)}`}}`;
  return {
    device:
      `{"boot_uid":${text(host.bootId)},"hostname":${text(host.hostname)},"os":{` +
      `"kernel_release":${text(os.kernel)},"name":${text(os.name)},"type_id":200,"version":${text(os.version)}},` +
      `"type_id":0,"uid":${text(host.uid)}}`,
    product: `{"name":"Cordon","vendor_name":"Cordon","version":${text(host.product.version)}}`,
    host: `{"hostname":${text(host.hostname)},"uid":${text(host.uid)}}`,
    app,
    appName: text(name),
    user: session ? `{"name":${text(session.user)},"uid":"${session.uid}"}` : '{"name":"root","uid":"0"}',
    policy: session && policyText(session),
    messageContext: `{"ai_role_id":4,"application":${app}}`,
  };
}

const policyText = ({ profile, profileVersion, policyDigest }: SessionContext): string =>
  `{"name":${text(profile)},"uid":${text(policyDigest)},"version":"${profileVersion}"}`;
