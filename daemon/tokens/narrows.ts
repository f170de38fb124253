// Attenuation: a sub-token permits nothing that its parent does not. Sound, not complete: a child that splits one detail
// of its parent into several is understood, one that joins several into one is refused.
import { maxDepth } from './claims.ts';
import type { Claims } from './claims.ts';
import type { Detail } from './details.ts';
import { sameOrAny, valueIn } from './permits.ts';
import { TokenRefused } from './refusal.ts';
import type { Wish } from './wish.ts';

/** True only when everything that `child` permits, `parent` permits. */
export const narrows = (child: readonly Detail[], parent: readonly Detail[]): boolean =>
  child.every((each) => parent.some((over) => narrowsOne(each, over)));

function narrowsOne(child: Detail, parent: Detail): boolean {
  if (child.type === 'http' && parent.type === 'http')
    return (
      child.methods.every((method) => parent.methods.includes(method)) &&
      child.host === parent.host &&
      child.port === parent.port &&
      narrowsPath(child.path, parent.path)
    );
  if (child.type === 'file.upload' && parent.type === 'file.upload')
    return (
      child.sha256 === parent.sha256 &&
      child.destination === parent.destination &&
      (parent.size === undefined || parent.size === child.size)
    );
  if (child.type === 'db.row' && parent.type === 'db.row')
    return (
      child.database === parent.database &&
      child.table === parent.table &&
      child.actions.every((action) => parent.actions.includes(action)) &&
      Object.entries(parent.key).every(([column, value]) => valueIn(child.key, column) === value)
    );
  if (child.type === 'tool.call' && parent.type === 'tool.call')
    return child.tool === parent.tool && sameOrAny(parent.argumentsSha256, child.argumentsSha256);
  if (child.type === 'exec' && parent.type === 'exec')
    return child.path === parent.path && sameOrAny(parent.argvSha256, child.argvSha256);
  return false;
}

function narrowsPath(child: string, parent: string): boolean {
  if (child === parent) return true;
  return parent.endsWith('/*') && child.startsWith(parent.slice(0, -1));
}

/** Throws TokenRefused('widened') for what a sub-token of this parent may not be. */
export function checkNarrower(wish: Wish, parent: Claims): void {
  if (parent.lineage.length + 1 >= maxDepth)
    throw new TokenRefused('widened', `sub-tokens go ${maxDepth} generations deep at most`);
  if (wish.audience !== parent.aud)
    throw new TokenRefused('widened', 'a sub-token is for its parent’s audience');
  if (wish.uses > parent.uses)
    throw new TokenRefused('widened', 'a sub-token has no more uses than its parent');
  if (!narrows(wish.details, parent.details))
    throw new TokenRefused('widened', 'a sub-token permits nothing that its parent does not');
}
