// Tokens as the daemon gives them out: who may ask, how often, what is on record, and what is published. The rules of tokens
// themselves are in the room of that name.
import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Wrapped } from '../../native-bindings/tpm/mod.ts';
import { createDecider } from '../decision/mod.ts';
import { CordonError, unattested } from '../model/mod.ts';
import type { AttestationState, NewRecord, TokenScheme } from '../model/mod.ts';
import {
  demandedAt,
  detailText,
  KeyRing,
  notGiven,
  softwareKeeper,
  TokenAuthority,
  TokenRefused,
  tpmKeeper,
  wishOf,
} from '../tokens/mod.ts';
import type { Claims, KeyKeeper, IssuedToken, Minted, Selector, SessionView, Wish } from '../tokens/mod.ts';
import { asCordonError } from '../wire/mod.ts';
import type { Bodies } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import { Rates } from './rate.ts';
import type { Session } from './session.ts';

/** Who asks, for the record. */
export interface Asker {
  readonly pid: number;
  /** `agent`, `egress`, or the name of a person. */
  readonly name: string;
}

interface Asked {
  readonly view: SessionView;
  readonly wish: Wish;
  /** Undefined: a bearer token. */
  readonly jkt: string | undefined;
  readonly parent?: Claims;
}

/** A second, and at once. The agent's own, and those that egress needs for requests. */
const mintRate = [5, 50] as const;
const attachRate = [100, 300] as const;
/** Refusals of one session that are recorded one by one; more are counted. */
const recordRate = [10, 50] as const;
/** Milliseconds between two looks at keys and published list. */
const tendInterval = 300_000;
/** Milliseconds until keys that could not be had are tried again. */
const retryInterval = 30_000;

export class Tokens {
  /** What this machine has proved; nothing, until somebody says otherwise. */
  attestation: () => AttestationState = () => unattested('none', 'this daemon attests nothing');
  /** Whether the machine still is what was attested: awaited before `attestation` decides. */
  look: () => Promise<void> = () => Promise.resolve();
  readonly #daemon: Daemon;
  readonly #directory: string;
  readonly #minting = new Rates<string>(...mintRate);
  readonly #attaching = new Rates<string>(...attachRate);
  readonly #recording = new Rates<string>(...recordRate);
  readonly #folded = new Map<string, number>();
  #authority: TokenAuthority | undefined;
  /** Why there is none. */
  #problem: CordonError | undefined;
  #publishing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.#directory = join(daemon.paths.runDir, 'tokens');
  }

  /** Never rejects: without its token keys the daemon still stops, records and launches; it only gives out no tokens. */
  async start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#authority = undefined;
      this.#problem = asCordonError(error);
      process.stderr.write(`cordond: there are no tokens: ${this.#problem.message}\n`);
      this.#daemon.note('daemon', {
        kind: 'admin',
        operation: 'token-keys',
        object: 'tokens',
        disposition: 'denied',
        layer: 'daemon',
        reason: this.#problem.message,
      });
      // A TPM may be late, or busy. Keys that are locked are tried again when they are open.
      if (this.#problem.code === 'unavailable' && this.#daemon.keys.vault?.problem === undefined)
        this.#timer = setTimeout(() => void this.start(), retryInterval).unref();
    }
  }

  async #open(): Promise<void> {
    const { settings, audit, now, paths, keys } = this.#daemon;
    const { issuer, 'status-uri': statusUri } = settings.tokens ?? {};
    const ring = await KeyRing.open(
      keys.tokenKeys === undefined ? paths.tokenKeys : { name: paths.vault, ...keys.tokenKeys },
      await this.#keeper(),
      now(),
    );
    this.#authority = new TokenAuthority({
      ring,
      store: audit.tokens,
      issuer: issuer ?? ownIssuer(this.#daemon),
      statusUri: statusUri ?? `file://${join(this.#directory, 'status.jwt')}`,
      now,
      attestation: () => this.attestation(),
    });
    // Sessions that ended while no daemon was there.
    const gone = this.authority.list({ by: 'all' }).filter(({ session }) => !this.#lives(session));
    this.#revoke(gone, 'its session has ended', 'daemon');
    // To the TPM, above all, where keys were files before.
    await this.authority.rotateWhenDue().catch((error: unknown) => {
      process.stderr.write(`cordond: no new token key: ${asCordonError(error).message}\n`);
    });
    await this.publish();
    this.#problem = undefined;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#tend(), tendInterval);
  }

  /** In the TPM where there is one: it signs ES256 only. */
  async #keeper(): Promise<KeyKeeper> {
    const { settings, attestation } = this.#daemon;
    const { algorithm, keys } = settings.tokens ?? {};
    const { tpm } = attestation;
    if (keys === 'file' || algorithm === 'EdDSA' || (tpm === undefined && keys === undefined))
      return softwareKeeper(algorithm);
    if (tpm === undefined)
      throw new CordonError('config-invalid', 'token keys are to be in the TPM, and there is none', {
        fix: 'attestation: tpm in cordond’s settings names one; tokens: { keys: file } goes without',
      });
    return tpmKeeper(tpm, (await attestation.tpmKind()) === 'hardware' ? 'hardware' : 'software');
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get authority(): TokenAuthority {
    if (this.#authority !== undefined) return this.#authority;
    const { message = 'cordond has not read its token keys yet', facts } = this.#problem ?? {};
    throw new CordonError('unavailable', `there are no tokens: ${message}`, {
      fix: facts?.fix ?? 'try again',
    });
  }

  /** Of the published keys those in the TPM; none while there are no tokens. */
  get wrappedKeys(): readonly Wrapped[] {
    return this.#authority?.wrappedKeys ?? [];
  }

  #lives(id: string): boolean {
    const session = this.#daemon.sessions.get(id);
    return session !== undefined && session.state !== 'killed' && !session.ending;
  }

  /** For an agent. A token for itself, or with `parent` one that is made from another. */
  async mint(session: Session, asker: Asker, { wish, proof, parent }: Bodies['mintToken']): Promise<Minted> {
    return this.#recorded(session, asker, 'mint', async () => {
      await this.#look(session);
      this.#limit(this.#minting, session);
      const asked = wishOf(wish);
      const view = this.#viewOf(session);
      if (parent !== '') {
        const from = await this.authority.parent(view, parent, proof);
        return this.#give(session, asker, { view, wish: asked, jkt: asked.jkt ?? from.jkt, parent: from });
      }
      const jkt = await this.authority.proven(proof);
      if (asked.jkt !== undefined && asked.jkt !== jkt)
        throw new TokenRefused(
          'proof',
          'a first token is bound to the key that proves itself',
          'leave out jkt',
        );
      return this.#give(session, asker, { view, wish: asked, jkt });
    });
  }

  /** For a person, bound to a key that he names. */
  async mintFor(session: Session, asker: Asker, text: string): Promise<Minted> {
    return this.#recorded(session, asker, 'mint', async () => {
      await this.#look(session);
      this.#limit(this.#minting, session);
      const wish = wishOf(text);
      if (wish.jkt === undefined)
        throw new TokenRefused(
          'schema',
          'no key was named',
          'give the thumbprint of the key it is bound to: jkt',
        );
      return this.#give(session, asker, { view: this.#viewOf(session), wish, jkt: wish.jkt });
    });
  }

  /** For one request that egress is about to pass on: this method, host, port and path, once, for a minute. */
  async attach(session: Session, asker: Asker, body: Bodies['attachToken']): Promise<Minted> {
    const { audience, method, host, path, jkt } = body;
    return this.#recorded(session, asker, 'mint', async () => {
      await this.#look(session);
      this.#limit(this.#attaching, session);
      const view = this.#viewOf(session);
      const { port } = demandedOf(view, body, jkt === '' ? 'bearer' : 'dpop');
      const details = [{ type: 'http', methods: [method], host, port, path }];
      const asked = {
        audience,
        authorization_details: details,
        expires_in: 60,
        ...(jkt === '' ? {} : { jkt }),
      };
      const wish: Wish = wishOf(JSON.stringify(asked));
      return this.#give(session, asker, { view, wish, jkt: wish.jkt });
    });
  }

  async use(session: Session, asker: Asker, body: Bodies['useToken']): Promise<Bodies['useTokenAnswer']> {
    return this.#recorded(session, asker, 'use', async () => {
      this.#limit(this.#attaching, session);
      const view = this.#viewOf(session);
      const { scheme, port } = demandedOf(view, body, 'upload');
      const { claims, upload } = await this.authority.useUpload(view, body, { ...body, scheme, port });
      this.#append(session.id, asker, {
        operation: 'use',
        object: claims.aud,
        disposition: 'allowed',
        reason: detailText(upload),
        detail: { jti: claims.jti, privileges: [detailText(upload)] },
      });
      return {
        jti: claims.jti,
        sha256: upload.sha256,
        sized: upload.size !== undefined,
        size: upload.size ?? 0,
      };
    });
  }

  /** In force, on the disk and published when it resolves. */
  async revoke(tokens: readonly IssuedToken[], why: string, by: string): Promise<readonly IssuedToken[]> {
    const revoked = this.#revoke(tokens, why, by);
    if (revoked.length > 0) await this.publish();
    return revoked;
  }

  select(selector: Selector): readonly IssuedToken[] {
    return this.authority.list(selector);
  }

  /** A session is over. What cannot be written down now is refused all the same: its session does not live. */
  async sessionOver(session: string, why: string): Promise<void> {
    try {
      if (this.#authority !== undefined)
        await this.revoke(this.select({ by: 'session', value: session }), why, 'daemon');
    } catch (error) {
      process.stderr.write(`cordond: tokens of session ${session}: ${asCordonError(error).message}\n`);
    }
  }

  /** Tokens of the policy before end with it. */
  async policyChanged({ id, facts }: Session): Promise<void> {
    if (this.#authority === undefined) return;
    const old = this.select({ by: 'session', value: id }).filter(
      ({ digest }) => digest !== facts.policyDigest,
    );
    await this.revoke(old, 'the policy it was minted under has changed', 'daemon');
  }

  #revoke(tokens: readonly IssuedToken[], why: string, by: string): readonly IssuedToken[] {
    const open = tokens.filter(({ revoked }) => revoked === 0);
    if (open.length === 0) return [];
    const revoked = this.authority.revoke(open, why);
    for (const session of new Set(revoked.map((token) => token.session)))
      this.#appendRevoked(
        session,
        by,
        why,
        revoked.filter((token) => token.session === session).map(({ jti }) => jti),
      );
    return revoked;
  }

  #appendRevoked(session: string, by: string, why: string, jtis: readonly string[]): void {
    this.#append(
      session,
      { pid: 0, name: by },
      {
        operation: 'revoke',
        object: session,
        disposition: 'observed',
        reason: why,
        detail: { jtis: jtis.slice(0, 100) },
      },
    );
  }

  /** Writes key set and status list for others; one writing after the other. */
  publish(): Promise<void> {
    const next = this.#publishing.catch(() => undefined).then(() => this.#write());
    this.#publishing = next;
    return next;
  }

  async #write(): Promise<void> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o755 });
    replace(join(this.#directory, 'jwks.json'), JSON.stringify(this.authority.jwks()));
    replace(join(this.#directory, 'status.jwt'), await this.authority.statusList());
  }

  async #tend(): Promise<void> {
    try {
      await this.authority.rotateWhenDue();
      await this.publish();
    } catch (error) {
      process.stderr.write(`cordond: tokens: ${asCordonError(error).message}\n`);
    }
  }

  #viewOf(session: Session): SessionView {
    const { id, facts, state, ending, capabilitySet } = session;
    if (state !== 'running' || ending || this.#daemon.launchStop.engaged('all') !== undefined)
      throw new TokenRefused(
        'revoked',
        `session ${id} is ${ending ? 'over' : state}, or everything is stopped`,
      );
    if (capabilitySet === undefined)
      throw new TokenRefused('unavailable', 'the policy of this session is not known yet');
    session.decider ??= createDecider(capabilitySet);
    const name = basename(facts.argv[0] ?? '')
      .replace(/\p{Cc}/gu, '?')
      .slice(0, 128);
    const { user, agentVersion = '' } = facts;
    const version = agentVersion === '' ? {} : { version: agentVersion };
    const subject = { session: id, user, agent: { name: name === '' ? 'unknown' : name, ...version } };
    return { subject, capabilitySet, decider: session.decider };
  }

  /** Only who demands attestation waits for the TPM. */
  async #look({ capabilitySet }: Session): Promise<void> {
    if ((capabilitySet?.tokens?.attestation ?? 'none') !== 'none') await this.look();
  }

  #limit(rates: Rates<string>, { id }: Session): void {
    if (!rates.take(id, this.#daemon.now()))
      throw new TokenRefused('rate', 'the session asks for tokens too often', 'wait a moment');
  }

  /** A kill, a revocation or a new policy that came while it was made did not know of it. */
  #checkStill(session: Session, claims: Claims): void {
    const { capabilitySet } = this.#viewOf(session);
    if (capabilitySet.policyDigest !== claims.policy.digest || !this.authority.lives(claims))
      throw new TokenRefused('revoked', 'what the token depends on has ended meanwhile');
  }

  /**
   * Known and on record while it is being signed, given out when it is. No record, no token; nor when the key does not sign,
   * or what the token depends on ended meanwhile: then it is on record that it was taken back.
   */
  async #give(session: Session, asker: Asker, { view, wish, jkt, parent }: Asked): Promise<Minted> {
    let recorded: string | undefined;
    try {
      const minted = await this.authority.mint(view, wish, jkt, parent, (claims) => {
        this.#checkStill(session, claims);
        this.#appendMinted(session.id, asker, claims);
        recorded = claims.jti;
      });
      this.#checkStill(session, minted.claims);
      return minted;
    } catch (error) {
      if (recorded !== undefined) this.#takeBack(session.id, recorded);
      throw error;
    }
  }

  #takeBack(session: string, jti: string): void {
    this.authority.revoke(this.select({ by: 'id', value: jti }), notGiven);
    this.#appendRevoked(session, 'daemon', notGiven, [jti]);
  }

  #appendMinted(session: string, asker: Asker, claims: Claims): void {
    const { jti, aud, details, uses, exp, purpose, lineage, jkt } = claims;
    this.#append(session, asker, {
      operation: 'mint',
      object: aud,
      disposition: 'allowed',
      reason: purpose ?? 'within what the session may do',
      detail: {
        jti,
        privileges: details.map(detailText),
        uses,
        exp,
        bearer: jkt === undefined,
        parent: lineage.at(-1)?.jti ?? '',
      },
    });
  }

  async #recorded<T>(session: Session, asker: Asker, operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof TokenRefused) this.#refused(session, asker, operation, error);
      throw error;
    }
  }

  #refused(
    { id, capabilitySet }: Session,
    asker: Asker,
    operation: string,
    { why, message }: TokenRefused,
  ): void {
    if (!this.#recording.take(id, this.#daemon.now())) {
      this.#folded.set(id, (this.#folded.get(id) ?? 0) + 1);
      return;
    }
    const more = this.#folded.get(id) ?? 0;
    this.#folded.delete(id);
    const rule = capabilitySet?.rules[capabilitySet.tokens?.rule ?? 0];
    this.#append(id, asker, {
      operation,
      object: why,
      disposition: 'denied',
      reason: message,
      ...(rule === undefined ? {} : { rule: { id: rule.id, source: rule.source } }),
      ...(more === 0 ? {} : { count: more + 1 }),
      detail: { why },
    });
  }

  #append(
    session: string,
    { pid, name }: Asker,
    record: Pick<NewRecord, 'operation' | 'object' | 'disposition' | 'reason' | 'rule' | 'count' | 'detail'>,
  ): void {
    const generation = this.#daemon.sessions.get(session)?.facts.generation;
    this.#daemon.audit.spool.append(session, {
      kind: 'token',
      layer: 'daemon',
      ...record,
      ...(generation === undefined ? {} : { generation }),
      ...(pid === 0 ? {} : { process: { pid } }),
      detail: { ...record.detail, actor: name },
    });
  }
}

/** Egress reads hostile bytes: which token a request needs, and where it arrives, is the session's own policy's word. */
function demandedOf(
  view: SessionView,
  to: { readonly host: string; readonly port: number; readonly audience: string },
  type: TokenScheme,
) {
  const found = demandedAt(view, to);
  if (found?.demand.audience === to.audience && found.demand.type === type) return found;
  throw new TokenRefused(
    'beyond-session',
    `no grant of ${to.host}:${to.port} wants a ${type} token for ${to.audience}`,
  );
}

/** One name for this installation, for as long as its database lives. */
function ownIssuer({ audit }: Daemon): string {
  const known = audit.settings.read('token-issuer');
  if (known !== undefined) return known;
  const issuer = `urn:uuid:${randomUUID()}`;
  audit.settings.write('token-issuer', issuer);
  return issuer;
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}
