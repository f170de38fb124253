// What the daemon says to egress' wishes for tokens, by the real authority and the real store. Only who asks, and the records of
// the daemon's own, are left out.
import { join } from 'node:path';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { createDecider } from '../../daemon/decision/mod.ts';
import { unattested } from '../../daemon/model/mod.ts';
import type { CapabilitySet, TokenScheme } from '../../daemon/model/mod.ts';
import { demandedAt, KeyRing, softwareKeeper, TokenAuthority, wishOf } from '../../daemon/tokens/mod.ts';
import type { Minted, SessionView } from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import type { TokenAnswer } from './session.ts';

export const issuer = 'urn:this-endpoint';

export async function minter(t: Test, set: CapabilitySet, audiences: readonly string[]) {
  const directory = temporaryDirectory(t);
  const audit = openAudit(join(directory, 'cordon.db'), { now: Date.now });
  t.teardown(() => audit.close());
  const authority = new TokenAuthority({
    ring: await KeyRing.open(join(directory, 'keys.json'), softwareKeeper(), Date.now()),
    store: audit.tokens,
    issuer,
    statusUri: 'file:///s',
    now: Date.now,
    attestation: () => unattested('none', 'no TPM'),
  });
  const capabilitySet: CapabilitySet = {
    ...set,
    tokens: { rule: 0, attestation: 'none', lifetime: 300, audiences, tools: [], rows: [] },
  };
  const view: SessionView = {
    subject: { session: 'one', user: 'nobody', agent: { name: 'agent' } },
    capabilitySet,
    decider: createDecider(capabilitySet),
  };
  const key = newProofKey();
  const answer: TokenAnswer = async (what, body) => {
    const [audience, method, host, path] = ['audience', 'method', 'host', 'path'].map((name) =>
      String(body[name]),
    );
    const to = { audience: audience!, method: method!, host: host!, path: path!, port: Number(body['port']) };
    const type: TokenScheme = what === 'use' ? 'upload' : body['jkt'] === '' ? 'bearer' : 'dpop';
    const found = demandedAt(view, to);
    if (found?.demand.type !== type) throw new Error('no such grant');
    if (what === 'use') {
      const shown = { token: String(body['token']), proof: String(body['proof']), method: to.method };
      const { claims, upload } = await authority.useUpload(view, shown, { ...to, ...found });
      return { jti: claims.jti, sha256: upload.sha256, size: upload.size ?? -1 };
    }
    const detail = { type: 'http', methods: [to.method], host: to.host, port: found.port, path: to.path };
    const wish = { audience: to.audience, authorization_details: [detail], expires_in: 60 };
    const jkt = type === 'dpop' ? String(body['jkt']) : undefined;
    const { token, claims } = await authority.mint(view, wishOf(JSON.stringify(wish)), jkt);
    return { token, jti: claims.jti };
  };
  return {
    answer,
    authority,
    /** A token for one upload, as an agent gets it. */
    upload: (sha256: string, destination: string): Promise<Minted> => {
      const details = [{ type: 'file.upload', sha256, destination }];
      const wish = wishOf(JSON.stringify({ audience: 'urn:files', authorization_details: details }));
      return authority.mint(view, wish, key.thumbprint);
    },
    /** The fields of a request that shows it. */
    fields: ({ token }: Minted, url: string): string =>
      `Authorization: DPoP ${token}\r\nDPoP: ${key.prove({ method: 'PUT', url, token, now: Date.now() })}\r\n`,
  };
}
