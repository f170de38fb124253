// Token keys inside the TPM: made there below its storage root, they never leave it, and sign there (ES256). What is kept
// of one is a wrapped blob that no other TPM loads.
import { createHash, createPublicKey, verify } from 'node:crypto';
import {
  create,
  createPrimary,
  flush,
  held,
  load,
  recalled,
  signDigest,
  startSession,
  together,
  TpmError,
  TpmTransportError,
} from '../../native-bindings/tpm/mod.ts';
import type { Loaded, Tpm, Transport } from '../../native-bindings/tpm/mod.ts';
import {
  ecdsaP1363,
  keyObjectOf,
  readKey,
  readSignature,
  RH,
  templates,
  TpmWireError,
} from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';
import { thumbprintOf } from '../wire/dpop.ts';
import type { PublicJwk } from '../wire/dpop.ts';
import { derOf } from './ecdsa.ts';
import type { KeyKeeper } from './key-ring.ts';
import { signingInput, softwareKey } from './keys.ts';
import type { PrivateJwk, SigningKey } from './keys.ts';

/** As it stands in the key store. */
interface Wrapped {
  readonly tpm: { readonly privateArea: string; readonly publicArea: string };
}
type Accepts = (signature: Buffer) => boolean;
type Areas = Readonly<Record<'privateArea' | 'publicArea', Buffer>>;

const isWrapped = (kept: unknown): kept is Wrapped =>
  typeof kept === 'object' && kept !== null && Object.hasOwn(kept, 'tpm');

const coordinate = 32;

function publicJwkOf(area: Buffer): PublicJwk {
  const { x = '', y = '' } = keyObjectOf(readKey(area)).export({ format: 'jwk' });
  return { kty: 'EC', crv: 'P-256', x, y };
}

const root = (transport: Transport): Promise<Loaded> =>
  createPrimary(transport, RH.OWNER, templates.storageP256);

const unavailable = (error: unknown): never => {
  if (error instanceof TpmError || error instanceof TpmTransportError || error instanceof TpmWireError)
    throw new CordonError('unavailable', `the TPM does not sign: ${error.message}`, {
      fix: 'cordon attest status says how the TPM is; tokens: { keys: file } in cordond’s settings goes without it',
      cause: error,
    });
  throw error;
};

/** Milliseconds without a signature after which the key is given up: a TPM has room for few. */
const rest = 1000;

/** One key, kept loaded between signatures that come quickly one after the other: to load it takes longer than to sign. */
class Resident {
  readonly #tpm: Tpm;
  readonly #load: (transport: Transport) => Promise<Loaded>;
  #loaded: Loaded | undefined;
  #resting: NodeJS.Timeout | undefined;

  constructor(tpm: Tpm, areas: Areas) {
    this.#tpm = tpm;
    this.#load = recalled((transport) =>
      held(transport, root(transport), (parent) => load(transport, parent, areas)),
    );
  }

  /**
   * `accepts` tells whether a signature is by this key: a handle may have become another object's. `meanwhile` is done when
   * the TPM has got its command.
   */
  async sign(digest: Buffer, accepts: Accepts, meanwhile: () => void): Promise<Buffer> {
    clearTimeout(this.#resting);
    let left: (() => void) | undefined = meanwhile;
    const others = (): Promise<void> =>
      new Promise((resolve) => {
        const work = left;
        left = undefined;
        work?.();
        resolve();
      });
    try {
      return await this.#tpm.use(async (transport) => {
        const signing = this.#signature(transport, digest, accepts);
        const [signature] = await together<[Buffer, unknown]>(signing, others());
        return signature;
      });
    } catch (error) {
      return unavailable(error);
    } finally {
      this.#resting = setTimeout(() => void this.#release(), rest).unref();
    }
  }

  async #signature(transport: Transport, digest: Buffer, accepts: Accepts): Promise<Buffer> {
    const quick = await this.#signWith(transport, this.#loaded, digest);
    if (quick !== undefined && accepts(quick)) return quick;
    this.#loaded = await this.#load(transport);
    const signature = await this.#signWith(transport, this.#loaded, digest, true);
    if (signature !== undefined && accepts(signature)) return signature;
    throw new TpmWireError('a signature that is not by the key');
  }

  async #signWith(
    transport: Transport,
    key: Loaded | undefined,
    digest: Buffer,
    surely = false,
  ): Promise<Buffer | undefined> {
    if (key === undefined) return undefined;
    try {
      const signature = readSignature(await signDigest(transport, key, digest));
      return signature.scheme === 'ecdsa' ? ecdsaP1363(signature, coordinate) : undefined;
    } catch (error) {
      if (surely || !(error instanceof TpmError)) throw error;
      return undefined;
    }
  }

  async #release(): Promise<void> {
    const key = this.#loaded;
    this.#loaded = undefined;
    if (key !== undefined)
      await this.#tpm.use((transport) => flush(transport, key.handle)).catch(() => undefined);
  }
}

function tpmKey(tpm: Tpm | undefined, kind: SigningKey['tpm'], { tpm: kept }: Wrapped): SigningKey {
  const areas = {
    privateArea: Buffer.from(kept.privateArea, 'base64'),
    publicArea: Buffer.from(kept.publicArea, 'base64'),
  };
  const publicJwk = publicJwkOf(areas.publicArea);
  const kid = thumbprintOf(publicJwk);
  const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' });
  const resident = tpm === undefined ? undefined : new Resident(tpm, areas);
  return {
    kid,
    algorithm: 'ES256',
    publicJwk,
    held: 'tpm',
    wrapped: areas,
    ...(kind === undefined ? {} : { tpm: kind }),
    sign: async (typ, payload, meanwhile = () => undefined) => {
      if (resident === undefined)
        throw new CordonError('unavailable', 'the token key is in a TPM that is not used any more', {
          fix: 'cordon token rotate --now makes one in a file; tokens by the old one end',
        });
      const text = signingInput({ alg: 'ES256', typ, kid }, payload);
      const bytes = Buffer.from(text);
      const digest = createHash('sha256').update(bytes).digest();
      const accepts: Accepts = (made) => verify('sha256', bytes, key, derOf(made));
      const signature = await resident.sign(digest, accepts, meanwhile);
      return `${text}.${signature.toString('base64url')}`;
    },
  };
}

/** Brings back keys of either kind. Without a TPM those in it are still published, and sign nothing. */
export const reviveKey = (kept: unknown, tpm?: Tpm, kind?: SigningKey['tpm']): SigningKey =>
  // Written by us, read from a store that only root can write.
  isWrapped(kept) ? tpmKey(tpm, kind, kept) : softwareKey(kept as PrivateJwk);

/** `kind`: what TPM it is, for who reads the published keys. */
export const tpmKeeper = (tpm: Tpm, kind: SigningKey['tpm']): KeyKeeper => ({
  holds: 'tpm',
  make: async (): Promise<Wrapped> => {
    const made = await tpm
      .use((transport) =>
        held(transport, root(transport), (parent) =>
          held(transport, startSession(transport, 'hmac', parent), (session) =>
            create(transport, parent, templates.signingChild, { authorisation: { session } }),
          ),
        ),
      )
      .catch(unavailable);
    return {
      tpm: {
        privateArea: made.privateArea.toString('base64'),
        publicArea: made.publicArea.toString('base64'),
      },
    };
  },
  revive: (kept) => Promise.resolve(reviveKey(kept, tpm, kind)),
});
