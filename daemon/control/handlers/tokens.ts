// Tokens on the admin socket: mint for a session, list, revoke, keys.
import { CordonError } from '../../model/mod.ts';
import type { IssuedToken, Minted, Selector } from '../../tokens/mod.ts';
import { message } from '../../wire/mod.ts';
import type { Message } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Asker } from '../tokens.ts';
import { chunked, paged } from './pages.ts';

const maxListed = 1000;

const askerOf = ({ actor }: AdminContext): Asker => ({ pid: actor.pid, name: actor.name });

export const mintedAnswer = ({ token, claims }: Minted): Message =>
  message('mintTokenAnswer', { token, jti: claims.jti, expires: claims.exp * 1000 });

export const tokenMint: AdminHandler<'tokenMint'> = async (context, { session, wish }) => {
  const { daemon, actor } = context;
  const target = touchable(actor, session, daemon.sessions.get(session));
  return mintedAnswer(await daemon.tokens.mintFor(target, askerOf(context), wish));
};

/** Tokens of sessions that the actor may touch. */
const own = ({ daemon, actor }: AdminContext, tokens: readonly IssuedToken[]): IssuedToken[] =>
  tokens.filter(({ session }) => {
    const row = daemon.sessions.get(session) ?? daemon.audit.registry.get(session);
    return actor.admin || (row !== undefined && mayTouch(actor, row));
  });

/** In answers of bounded size: how long tokens are is up to agents. */
export const tokens: AdminHandler<'tokens'> = async (context, { session, all }, reply) => {
  const found = own(
    context,
    context.daemon.tokens.select(session === '' ? { by: 'all' } : { by: 'session', value: session }),
  );
  const shown = found.filter((token) => all || (token.revoked === 0 && token.used < token.uses));
  const pages = chunked(shown.slice(0, maxListed).map((token) => ({ json: JSON.stringify(token) })));
  return paged(reply, pages, (page) => message('tokensAnswer', { tokens: page }));
};

const named: ReadonlySet<string> = new Set(['id', 'session', 'agent', 'policy']);
const isNamed = (by: string): by is 'id' | 'session' | 'agent' | 'policy' => named.has(by);

function selectorOf(by: string, value: string): Selector {
  if (by === 'all' && value === '') return { by };
  if (isNamed(by) && value !== '') return { by, value };
  throw new CordonError('protocol', 'tokens are revoked by id, session, agent, policy, or all', {
    fix: 'cordon token revoke ID, or --session, --agent, --policy, --all',
  });
}

export const tokenRevoke: AdminHandler<'tokenRevoke'> = async (context, { by, value, reason }) => {
  const begun = performance.now();
  const { daemon, actor } = context;
  const found = own(context, daemon.tokens.select(selectorOf(by, value)));
  if (by === 'id' && found.length === 0)
    throw new CordonError('not-found', 'there is no such token of yours that has not expired', {
      fix: 'cordon token list shows them',
    });
  const why = reason === '' ? `revoked by ${actor.name}` : reason.slice(0, 500);
  const revoked = await daemon.tokens.revoke(found, why, actor.name);
  return message('tokenRevokeAnswer', {
    jtis: revoked.map(({ jti }) => jti),
    milliseconds: performance.now() - begun,
  });
};

/** Public keys and the status list are for everybody; a new key is an administrator's to make. */
export const tokenKeys: AdminHandler<'tokenKeys'> = async ({ daemon, actor }, { rotate }) => {
  if (rotate !== '' && rotate !== 'next' && rotate !== 'now')
    throw new CordonError('protocol', 'rotate is next, now, or nothing');
  const { authority } = daemon.tokens;
  if (rotate !== '') {
    if (!actor.admin) throw new CordonError('not-permitted', 'only administrators make new token keys');
    const { kid } = await authority.rotate(rotate === 'now');
    daemon.audit.spool.append('daemon', {
      kind: 'token',
      operation: 'rotate',
      object: kid,
      disposition: 'observed',
      layer: 'daemon',
      reason: rotate === 'now' ? 'a new key at once; older tokens are worthless' : 'a new key',
      process: { pid: actor.pid },
      detail: { actor: actor.name },
    });
    await daemon.tokens.publish();
  }
  return message('tokenKeysAnswer', {
    jwks: JSON.stringify(authority.jwks()),
    statusList: await authority.statusList(),
    issuer: authority.issuer,
  });
};
