// The daemon's settings: built-in defaults, then the configuration file, then the command line.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { CordonError } from '../model/mod.ts';
import { attestationProblem, attestationSettings } from './attestation-settings.ts';
import type { AttestationSettings } from './attestation-settings.ts';
import type { RecordsSettings } from '../model/mod.ts';
import { parseRecords } from './records.ts';
import { hostEntries, resolvers } from './resolver-files.ts';
import { invalid, mappingOf } from './yaml-document.ts';

export interface Settings {
  readonly runDir: string;
  readonly stateDir: string;
  /** Searched before the built-in profiles, in order. */
  readonly profileDirs: readonly string[];
  /** Its members may do what root may. */
  readonly adminGroup: string;
  /** Supervisors kept ready. */
  readonly pool: number;
  /** Profile of a run that names none. */
  readonly defaultProfile: string;
  /** Resolvers for sessions with network: `address:port`, `[v6]:port`. */
  readonly upstream: readonly string[];
  /** Names the sessions' resolver answers itself. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  /** Undefined: the defaults of attestation-settings.ts. */
  readonly attestation?: AttestationSettings;
  /** What becomes of records; absent: nothing is shipped. */
  readonly records?: RecordsSettings;
  readonly tokens?: TokenSettings;
}

/** Of capability tokens; each has a default. */
export interface TokenSettings {
  /** `iss`: a URI that stands for this machine. */
  readonly issuer?: string;
  /** Where others find the status list. */
  readonly 'status-uri'?: string;
  readonly algorithm?: 'EdDSA' | 'ES256';
  /** Where new keys are; absent: in the TPM where there is one (ES256), unless `algorithm` is EdDSA. */
  readonly keys?: 'tpm' | 'file';
}

export interface CommandLine {
  readonly config?: string;
  readonly runDir?: string;
  readonly stateDir?: string;
  readonly profileDirs?: readonly string[];
}

export const defaultConfigFile = '/etc/cordon/config.yaml';

const builtIn = {
  runDir: '/run/cordon',
  stateDir: '/var/lib/cordon',
  profileDirs: ['/etc/cordon/profiles'],
  adminGroup: 'cordon-admin',
  pool: 1,
  defaultProfile: 'default',
};

type FileSettings = { -readonly [K in keyof Settings]?: Settings[K] };
type Check = (value: unknown) => string | undefined;
interface Key {
  readonly name: keyof Settings;
  /** What was expected, when the value is not that. */
  readonly check: Check;
  /** Undefined: the value is taken as it is. */
  readonly read?: (value: unknown) => unknown;
}

const expect =
  (what: string, holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? undefined : `expected ${what}`;
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isDirectory = (value: unknown): boolean => isText(value) && isAbsolute(value);
const isListOf =
  (holds: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(holds);
const isEndpoint = (value: unknown): boolean => {
  const match = isText(value) ? /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) : null;
  const port = Number(match?.[3]);
  return isIP(match?.[1] ?? match?.[2] ?? '') !== 0 && port > 0 && port < 65536;
};
const isHosts = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every(isListOf((address) => isText(address) && isIP(address) !== 0));

const isUri = (value: unknown): boolean =>
  isText(value) && value.length <= 512 && /^[a-z][a-z0-9+.-]*:\S+$/i.test(value);
const isAlgorithm = (value: unknown): boolean => value === 'EdDSA' || value === 'ES256';
const tokenKeys: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ['issuer', isUri],
  ['status-uri', isUri],
  ['algorithm', isAlgorithm],
  ['keys', (value) => value === 'tpm' || value === 'file'],
]);
const isTokens = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(([key, each]) => tokenKeys.get(key)?.(each) === true);

const keys: Readonly<Record<string, Key>> = {
  'run-dir': { name: 'runDir', check: expect('an absolute path', isDirectory) },
  'state-dir': { name: 'stateDir', check: expect('an absolute path', isDirectory) },
  profiles: { name: 'profileDirs', check: expect('a list of absolute paths', isListOf(isDirectory)) },
  'admin-group': { name: 'adminGroup', check: expect('the name of a group', isText) },
  pool: {
    name: 'pool',
    check: expect(
      'a whole number from 0 to 16',
      (n) => Number.isInteger(n) && Number(n) >= 0 && Number(n) <= 16,
    ),
  },
  'default-profile': { name: 'defaultProfile', check: expect('the name of a profile', isText) },
  upstream: {
    name: 'upstream',
    check: expect('a list of address:port ([address]:port for IPv6)', isListOf(isEndpoint)),
  },
  hosts: { name: 'hosts', check: expect('a mapping of names to lists of addresses', isHosts) },
  attestation: { name: 'attestation', check: attestationProblem, read: attestationSettings },
  tokens: {
    name: 'tokens',
    check: expect(
      'a mapping with issuer and status-uri (URIs), algorithm (EdDSA or ES256) and keys (tpm or file)',
      isTokens,
    ),
  },
};

/** Settings from the text of a configuration file. Every error names file, line and key. */
export function parseSettings(file: string, text: string): FileSettings {
  const out: Record<string, unknown> = {};
  for (const entry of mappingOf(file, text)) {
    const { key, value, line } = entry;
    if (key === 'records') {
      out['records'] = parseRecords(file, entry);
      continue;
    }
    const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (known === undefined)
      throw invalid(
        file,
        line,
        key,
        `no such setting; there are ${[...Object.keys(keys), 'records'].join(', ')}`,
      );
    const wrong = known.check(value);
    if (wrong !== undefined) throw invalid(file, line, key, wrong);
    out[known.name] = known.read?.(value) ?? value;
  }
  return out;
}

/** A file named on the command line must exist; the default one need not. */
function readConfig(path: string | undefined): string {
  try {
    return readFileSync(path ?? defaultConfigFile, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === undefined) return '';
    throw new CordonError(
      'config-invalid',
      `cannot read ${path ?? defaultConfigFile}: ${code ?? String(error)}`,
      {
        file: path ?? defaultConfigFile,
      },
    );
  }
}

export function loadSettings(commandLine: CommandLine): Settings {
  const { config, ...given } = commandLine;
  const file = parseSettings(config ?? defaultConfigFile, readConfig(config));
  return {
    ...builtIn,
    upstream: file.upstream ?? resolvers(readFileOr('/etc/resolv.conf')),
    hosts: file.hosts ?? hostEntries(readFileOr('/etc/hosts')),
    ...file,
    ...given,
  };
}

function readFileOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
