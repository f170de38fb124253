// Attestation as the daemon does it: an attester over this machine's TPM, and the latest word of the verifier on it.
import { X509Certificate } from 'node:crypto';
import { openTpm } from '../../native-bindings/tpm/mod.ts';
import type { Tpm, Wrapped } from '../../native-bindings/tpm/mod.ts';
import { nameOf, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { Attester, open, seal, usualLogs } from '../attestation/mod.ts';
import type { DaemonFacts, Store, TpmFacts, Vault } from '../attestation/mod.ts';
import { attestationDefaults, settingsFile } from '../config/attestation-settings.ts';
import type { AttestationSettings } from '../config/attestation-settings.ts';
import {
  enrolmentText,
  evidenceText,
  readChallenge,
  readEvidence,
  readSealed,
  sealedText,
} from '../evidence/mod.ts';
import type { Evidence } from '../evidence/mod.ts';
import { CordonError, unattested } from '../model/mod.ts';
import type { AttestationState, NewRecord, TpmKind } from '../model/mod.ts';
import { readResult } from '../verifier/mod.ts';
import { CounterSteps } from './counter-steps.ts';
import type { HostKeys } from './host-keys.ts';
import { PcrWatch, pcrTexts } from './pcr-watch.ts';
import type { PcrTexts } from './pcr-watch.ts';
import { quotedPcrs, sealPlace, tpmNamed } from './tpm-settings.ts';

export interface AttestationParts {
  readonly settings: AttestationSettings | undefined;
  readonly store: Store;
  readonly facts: () => DaemonFacts;
  readonly bootId: string;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  readonly keys?: HostKeys;
  /** Published token keys that are in the TPM. */
  readonly tokenKeys?: () => readonly Wrapped[];
  /** Signs a checkpoint over the record as it is. May throw: then it is quoted without. */
  readonly checkpoint?: () => void;
  readonly note?: (record: NewRecord) => void;
  /** Milliseconds between two steps of the counter. */
  readonly counterInterval?: number;
  /** The keys were locked, and are open from now on. */
  readonly unlocked?: () => void;
}

const resultSetting = 'attestation-result';
interface Kept {
  readonly bootId: string;
  readonly state: AttestationState;
  readonly pcrs?: PcrTexts;
}
/** Milliseconds between two tries to get the keys out of a TPM that could not be asked. */
const unlockInterval = 30_000;
/** Quotes whose results are waited for. */
const maxAwaited = 32;

function certificatesIn(path: string | undefined): Buffer[] {
  if (path === undefined) return [];
  const text = settingsFile('ek-certificate', path);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block).raw);
}

export class Attestation {
  readonly #parts: AttestationParts;
  readonly #settings: AttestationSettings;
  readonly #tpm: ReturnType<typeof openTpm> | undefined;
  readonly #attester: Attester | undefined;
  /** Name of the key that quoted, and the PCRs it quoted, by nonce. */
  readonly #awaited = new Map<string, { readonly ak: string; readonly pcrs: PcrTexts }>();
  readonly #timer: NodeJS.Timeout;
  readonly #steps: CounterSteps | undefined;
  readonly #watch: PcrWatch | undefined;
  #kind: TpmKind;
  #state: AttestationState;

  constructor(parts: AttestationParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? attestationDefaults;
    const name = tpmNamed(this.#settings);
    if (name !== undefined) {
      this.#tpm = openTpm({ name });
      this.#attester = new Attester({
        tpm: this.#tpm,
        bank: this.#settings.bank,
        pcrs: quotedPcrs(this.#settings),
        sealedKey: () => parts.keys?.vault?.sealed,
        tokenKeys: () => parts.tokenKeys?.() ?? [],
        counter: this.#settings.counter,
        ekCertificates: certificatesIn(this.#settings.ekCertificate),
        logs: usualLogs,
        store: parts.store,
        facts: parts.facts,
      });
      const { note = () => undefined, counterInterval: interval = 60_000 } = parts;
      this.#steps = new CounterSteps({ attester: this.#attester, note, interval });
      this.#watch = new PcrWatch(this.#attester);
    }
    this.#kind = this.#tpm === undefined ? 'none' : this.#tpm.software ? 'software' : 'hardware';
    this.#state = this.#kept();
    this.#timer = setInterval(() => void this.#unlockLater(), unlockInterval).unref();
  }

  /** What was last proved. Cheap: nothing is asked of the TPM. */
  get state(): AttestationState {
    return this.#state;
  }

  /** The record was signed: the counter follows. */
  checkpointed(): void {
    this.#steps?.due();
  }

  /** Looks whether the machine still is what was attested, and is to be awaited before `state` decides about a right. */
  async look(): Promise<void> {
    const attested = this.#state;
    if (attested.verdict !== 'passed' || this.#watch === undefined) return;
    const changed = await this.#watch.changed();
    // A newer verdict may have come meanwhile.
    if (changed === undefined || this.#state !== attested) return;
    this.#keep(unattested(attested.tpm, changed));
  }

  #keep(state: AttestationState): void {
    const { bootId, store } = this.#parts;
    this.#state = state;
    store.write(resultSetting, JSON.stringify({ bootId, state, pcrs: this.#watch?.expected }));
  }

  /** Undefined: there is none. */
  get tpm(): Tpm | undefined {
    return this.#tpm;
  }

  /** What the TPM is; asks it when that is not known yet. */
  async tpmKind(): Promise<TpmKind> {
    return this.#attester === undefined ? 'none' : this.#attester.kind();
  }

  /** For people: `none`, or what the TPM is and how it is reached. */
  async facts(): Promise<TpmFacts | undefined> {
    const facts = await this.#attester?.facts();
    if (facts !== undefined) this.#kind = facts.kind;
    await this.#unlockLater();
    return facts;
  }

  #needed(): Attester {
    if (this.#attester !== undefined) return this.#attester;
    const named = this.#settings.tpm;
    throw new CordonError(
      'unavailable',
      named === 'none' ? 'no TPM is to be used' : `there is no TPM (${named})`,
      {
        fix: 'attestation: tpm in cordond’s settings names it; a software TPM only proves something in tests',
      },
    );
  }

  get enrolled(): boolean {
    return this.#attester?.enrolment !== undefined;
  }

  async enrol(): Promise<string> {
    return enrolmentText(await this.#needed().enrol());
  }

  /** Hexadecimal. */
  async activate(challenge: string): Promise<string> {
    const credential = readChallenge(challenge);
    return (await this.#needed().activate(credential)).toString('hex');
  }

  keep(token: string): void {
    this.#needed().keepEnrolment(token);
  }

  async quote(nonce: string): Promise<string> {
    const attester = this.#needed();
    this.#checkpoint();
    const quoting = (): Promise<Evidence> => attester.quote(nonce);
    const evidence = await (this.#steps === undefined ? quoting() : this.#steps.watched(quoting));
    const ak = nameOf(readKey(evidence.ak)).toString('hex');
    this.#awaited.set(nonce, { ak, pcrs: pcrTexts(evidence.pcrs) });
    for (const oldest of this.#awaited.keys())
      if (this.#awaited.size > maxAwaited) this.#awaited.delete(oldest);
    return evidenceText(evidence);
  }

  /** What is quoted is signed, where it can be: the counter's step is that checkpoint's. */
  #checkpoint(): void {
    try {
      this.#parts.checkpoint?.();
    } catch {
      // A full disk, or a locked key: the statement says how far the record is all the same.
    }
  }

  /** The verifier's result of a quote that was made here. Throws when it is not to be believed. */
  async result(token: string): Promise<AttestationState> {
    const { verifierKey } = this.#settings;
    if (verifierKey === undefined)
      throw new CordonError('config-invalid', 'no verifier is trusted here', {
        fix: 'attestation: verifier-key in cordond’s settings names its public key (JWK)',
      });
    const key = JSON.parse(settingsFile('verifier-key', verifierKey)) as Parameters<typeof readResult>[1];
    const now = this.#parts.now();
    const result = await readResult(token, key, Math.floor(now / 1000));
    const quoted = this.#awaited.get(result.nonce);
    this.#awaited.delete(result.nonce);
    if (quoted === undefined)
      throw new CordonError(
        'not-permitted',
        'the result is of a quote that this daemon did not make, or made before',
      );
    // A nonce can be carried to another machine, whose quote the verifier then accepts.
    if (result.ak !== quoted.ak && (result.accepted || result.ak !== ''))
      throw new CordonError('not-permitted', 'the result is of another machine’s quote');
    const kind = result.tpm === 'hardware' && this.#kind === 'software' ? 'software' : result.tpm;
    this.#watch?.expect(quoted.pcrs);
    this.#keep({
      tpm: kind === 'none' ? this.#kind : kind,
      verdict: result.accepted ? 'passed' : 'failed',
      reason: result.accepted ? 'the verifier accepted the evidence' : result.failures.join('; '),
      at: result.issued * 1000,
      freshUntil: result.accepted ? result.expires * 1000 : 0,
      verifier: result.issuer,
      result: token,
    });
    return this.#state;
  }

  #place(): NonNullable<ReturnType<typeof sealPlace>> {
    this.#needed();
    const place = sealPlace(this.#settings, this.#tpm);
    if (place !== undefined) return place;
    throw new CordonError('config-invalid', 'nothing is sealed without a way back', {
      fix: 'attestation: escrow in cordond’s settings names a public RSA key (PEM) whose private half is kept elsewhere',
    });
  }

  /** Base64 in, sealed text out. */
  async seal(data: string): Promise<string> {
    const { tpm, options } = this.#place();
    return sealedText(await seal(tpm, Buffer.from(data, 'base64'), options));
  }

  /** Sealed text in, base64 out. */
  async open(sealed: string): Promise<string> {
    this.#needed();
    return (await open(this.#tpm ?? openTpm({ name: '' }), readSealed(sealed))).toString('base64');
  }

  /** How cordond's own keys are kept, in words, and what to do when they are locked. */
  get keys(): {
    readonly held: 'tpm' | 'file';
    readonly locked: boolean;
    readonly reason: string;
    readonly fix: string;
  } {
    const { vault, unsealed = '' } = this.#parts.keys ?? {};
    if (vault === undefined) return { held: 'file', locked: false, reason: unsealed, fix: '' };
    const { message = `sealed to PCR ${vault.sealed.pcrs.join(', ')}`, facts } = vault.problem ?? {};
    return { held: 'tpm', locked: vault.problem !== undefined, reason: message, fix: facts?.fix ?? '' };
  }

  #vault(): Vault {
    const vault = this.#parts.keys?.vault;
    if (vault !== undefined) return vault;
    throw new CordonError('not-found', 'the keys of cordond are not sealed: there is nothing to recover');
  }

  /** Of cordond's own keys: what the escrow key opens. */
  get sealedKeys(): string {
    return sealedText(this.#vault().sealed);
  }

  /** What the escrow key opened (base64): the keys are open again, and sealed to what the PCRs are now. */
  async recover(content: string): Promise<void> {
    const vault = this.#vault();
    const wasLocked = vault.problem !== undefined;
    await vault.recover(Buffer.from(content, 'base64'), this.#place());
    if (wasLocked) this.#parts.unlocked?.();
  }

  /** A TPM that could not be asked when the daemon started is asked again; one that refused is not. */
  async #unlockLater(): Promise<void> {
    const vault = this.#parts.keys?.vault;
    if (vault?.problem?.code !== 'unavailable') return;
    await vault.unlock(this.#tpm);
    if (!this.keys.locked) this.#parts.unlocked?.();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#steps?.stop();
    this.#attester?.close();
  }

  /** A result holds for the boot in which it was given, and never for longer than it says. */
  #kept(): AttestationState {
    const kept = this.#parts.store.read(resultSetting);
    if (this.#kind !== 'none' && kept !== undefined) {
      const { bootId, state, pcrs } = JSON.parse(kept) as Kept;
      if (bootId === this.#parts.bootId) {
        if (pcrs !== undefined) this.#watch?.expect(pcrs);
        return state;
      }
    }
    return unattested(
      this.#kind,
      this.#kind === 'none' ? 'this machine has no TPM' : 'not attested since it was started',
    );
  }
}

/** Name of the key in evidence, for records. */
export const attestedName = (evidence: string): string =>
  nameOf(readKey(readEvidence(evidence).ak)).toString('hex');
