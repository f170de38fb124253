// The attester (RFC 9334) of this machine: what the daemon asks for proof of itself.
import {
  activateCredential,
  held,
  identity,
  isLockout,
  lockout,
  readPcrs,
  recalled,
  together,
  TpmError,
  TpmTransportError,
} from '../../native-bindings/tpm/mod.ts';
import type { Lockout, Tpm, TpmIdentity, Transport } from '../../native-bindings/tpm/mod.ts';
import { hashNamed, writeNvPublic } from '../../native-bindings/tpm/wire/mod.ts';
import type { PcrValues } from '../../native-bindings/tpm/wire/mod.ts';
import { isNonce } from '../evidence/mod.ts';
import type { CredentialChallenge, EnrolmentRequest, Evidence, Statement } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { attestationKey } from './attestation-key.ts';
import { ensureCounter, stepCounter, tallyOf } from './counter.ts';
import type { Store, Tally } from './counter.ts';
import { withEndorsement, withEndorsementAuthorisation } from './endorsement.ts';
import { makeEvidence } from './quote.ts';
import type { QuoteOptions } from './quote.ts';
import { storageRoot } from './seal.ts';

/** What only the daemon knows; the rest of a statement is the attester's. */
export interface DaemonFacts extends Omit<Statement, 'type' | 'nonce' | 'tpm' | 'audit'> {
  readonly audit: {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly key: string;
  };
}

export interface AttesterOptions extends QuoteOptions {
  readonly tpm: Tpm;
  /** NV index of the rollback counter. */
  readonly counter: number;
  /** DER; what the TPM's NV holds when not given. Issuers may follow the key's own. */
  readonly ekCertificates: readonly Buffer[];
  readonly store: Store;
  readonly facts: () => DaemonFacts;
}

export interface TpmFacts extends TpmIdentity {
  readonly name: string;
  readonly kind: 'hardware' | 'software';
  readonly lockout: Lockout;
}

const enrolmentSetting = 'attestation-enrolment';

/** An emulator may be reached through a device too: by its maker's name it is software all the same. */
const isEmulator = ({ manufacturer, vendor }: TpmIdentity): boolean =>
  manufacturer === 'IBM' || /^SW\b/.test(vendor);

/** In words that say what to do; TPM errors are for who knows TPMs. */
function explained(name: string, error: unknown): unknown {
  if (error instanceof TpmTransportError)
    return new CordonError('unavailable', `the TPM cannot be used: ${error.message}`, {
      fix:
        error.why === 'hung'
          ? 'another program may hold it; without a resource manager use device:/dev/tpmrm0'
          : `check attestation: tpm in cordond’s settings (${name})`,
      cause: error,
    });
  if (error instanceof TpmError && isLockout(error.code))
    return new CordonError('unavailable', 'the TPM is in dictionary attack lockout', {
      fix: 'wait until it forgets failures, or reset it: tpm2_dictionarylockout --clear-lockout',
      cause: error,
    });
  if (error instanceof TpmError)
    return new CordonError('unavailable', `the TPM refused: ${error.message}`, { cause: error });
  return error;
}

export class Attester {
  readonly #options: AttesterOptions;
  /** Each is given up after its use. */
  readonly #key = attestationKey();
  readonly #root = recalled(storageRoot);
  /** Found out when first asked. */
  #known: { readonly identity: TpmIdentity } | undefined;

  constructor(options: AttesterOptions) {
    this.#options = options;
  }

  async #use<T>(work: (transport: Transport) => Promise<T>): Promise<T> {
    const { tpm } = this.#options;
    try {
      return await tpm.use(work);
    } catch (error) {
      throw explained(tpm.name, error);
    }
  }

  async #identity(): Promise<TpmIdentity> {
    this.#known ??= { identity: await this.#use(identity) };
    return this.#known.identity;
  }

  async kind(): Promise<'hardware' | 'software'> {
    return this.#options.tpm.software || isEmulator(await this.#identity()) ? 'software' : 'hardware';
  }

  async facts(): Promise<TpmFacts> {
    const known = await this.#identity();
    const state = await this.#use(lockout);
    return { ...known, name: this.#options.tpm.name, kind: await this.kind(), lockout: state };
  }

  /** What a verifier needs to make a credential. May be asked for again and again. */
  enrol(): Promise<EnrolmentRequest> {
    const { ekCertificates, counter } = this.#options;
    const [own, ...issuers] = ekCertificates;
    return this.#use(async (transport) => {
      const nv = await ensureCounter(transport, counter);
      return held(transport, this.#key(transport), (ak) =>
        withEndorsement(transport, own, ({ key, certificate }) =>
          Promise.resolve({
            type: 'cordon-enrolment/1' as const,
            ek: key.publicArea,
            ak: ak.publicArea,
            certificates: certificate === undefined ? [] : [certificate, ...issuers],
            counter: writeNvPublic(nv.facts),
          }),
        ),
      );
    });
  }

  /** The secret of the verifier's credential: shows that both keys are in this TPM. */
  activate(credential: CredentialChallenge): Promise<Buffer> {
    const [own] = this.#options.ekCertificates;
    return this.#use((transport) =>
      held(transport, this.#key(transport), (ak) =>
        withEndorsement(transport, own, ({ key }) =>
          withEndorsementAuthorisation(transport, key, (authorisation) =>
            activateCredential(transport, ak, key, authorisation, credential),
          ),
        ),
      ),
    );
  }

  /** The verifier's word on this machine, to be sent along from now on. */
  get enrolment(): string | undefined {
    return this.#options.store.read(enrolmentSetting);
  }

  keepEnrolment(token: string): void {
    this.#options.store.write(enrolmentSetting, token);
  }

  /** What is written down of the counter. */
  get tally(): Tally {
    return tallyOf(this.#options.store);
  }

  /** The record has grown to a checkpoint: so does the counter. */
  async step(): Promise<void> {
    const { counter, store, facts } = this.#options;
    await this.#use(async (transport) => {
      const nv = await ensureCounter(transport, counter);
      await stepCounter(transport, nv, store, facts().audit.size);
    });
  }

  /** Values that the quoted PCRs have now. */
  pcrs(): Promise<PcrValues> {
    const { bank, pcrs } = this.#options;
    const alg = hashNamed(bank) ?? 0;
    return this.#use((transport) => readPcrs(transport, { alg, pcrs }));
  }

  /** `nonce` is lowercase hexadecimal, 8 to 64 bytes. */
  async quote(nonce: string): Promise<Evidence> {
    if (!isNonce(nonce))
      throw new CordonError('protocol', 'the nonce is not 8 to 64 bytes in lowercase hexadecimal', {
        fix: 'cordon attest quote --nonce $(openssl rand -hex 32)',
      });
    const kind = await this.kind();
    const evidence = await this.#use(async (transport) => {
      const stating = this.#state(transport, nonce, kind);
      const quoting = held(transport, this.#key(transport), async (key) => {
        const { counter, statement } = await stating;
        return makeEvidence(transport, { key, root: this.#root, counter }, statement, this.#options);
      });
      const [, quoted] = await together<[unknown, Evidence]>(stating, quoting);
      return quoted;
    });
    const { enrolment } = this;
    return enrolment === undefined ? evidence : { ...evidence, enrolment };
  }

  async #state(transport: Transport, nonce: string, kind: 'hardware' | 'software') {
    const { counter: index, store } = this.#options;
    const facts = this.#options.facts();
    const counter = await ensureCounter(transport, index);
    const tally = await stepCounter(transport, counter, store, facts.audit.size);
    return { counter, statement: statementOf(facts, nonce, kind, tally) };
  }

  close(): void {
    this.#options.tpm.close();
  }
}

const statementOf = (
  { audit, ...facts }: DaemonFacts,
  nonce: string,
  tpm: 'hardware' | 'software',
  { counter, lost }: Tally,
): Statement => ({
  type: 'cordon-statement/1',
  nonce,
  tpm,
  ...facts,
  audit: { ...audit, counter, lost },
});
