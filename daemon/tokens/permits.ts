// Does a token permit this one action? The meaning of authorization details; narrowing is defined by it.
import type { Detail, HttpMethod, RowAction } from './details.ts';
import { destinationOf, isAmbiguousPath } from './details.ts';

/** What somebody is about to do with a token. */
export type TokenAction =
  | {
      readonly type: 'http';
      readonly method: string;
      /** Lower case. */
      readonly host: string;
      readonly port: number;
      /** As sent; a query is cut off. */
      readonly path: string;
    }
  | {
      readonly type: 'file.upload';
      readonly sha256: string;
      readonly destination: string;
      /** Bytes. */
      readonly size: number;
    }
  | {
      readonly type: 'db.row';
      readonly database: string;
      readonly table: string;
      readonly action: RowAction;
      /** The whole row, or as many columns as the key may name. */
      readonly row: Readonly<Record<string, string | number>>;
    }
  | { readonly type: 'tool.call'; readonly tool: string; readonly argumentsSha256?: string }
  | { readonly type: 'exec'; readonly path: string; readonly argvSha256?: string };

export const permits = (details: readonly Detail[], action: TokenAction): boolean =>
  details.some((detail) => permitsOne(detail, action));

function permitsOne(detail: Detail, action: TokenAction): boolean {
  if (detail.type === 'http' && action.type === 'http')
    return (
      detail.methods.includes(action.method as HttpMethod) &&
      detail.host === action.host &&
      detail.port === action.port &&
      coversPath(detail.path, action.path)
    );
  if (detail.type === 'file.upload' && action.type === 'file.upload')
    return (
      detail.sha256 === action.sha256 &&
      detail.destination === action.destination &&
      (detail.size === undefined || detail.size === action.size)
    );
  if (detail.type === 'db.row' && action.type === 'db.row')
    return (
      detail.database === action.database &&
      detail.table === action.table &&
      detail.actions.includes(action.action) &&
      Object.entries(detail.key).every(([column, value]) => valueIn(action.row, column) === value)
    );
  if (detail.type === 'tool.call' && action.type === 'tool.call')
    return detail.tool === action.tool && sameOrAny(detail.argumentsSha256, action.argumentsSha256);
  if (detail.type === 'exec' && action.type === 'exec')
    return detail.path === action.path && sameOrAny(detail.argvSha256, action.argvSha256);
  return false;
}

export const valueIn = (
  row: Readonly<Record<string, string | number>>,
  column: string,
): string | number | undefined => (Object.hasOwn(row, column) ? row[column] : undefined);

export const sameOrAny = (wanted: string | undefined, given: string | undefined): boolean =>
  wanted === undefined || wanted === given;

function coversPath(pattern: string, sent: string): boolean {
  const path = sent.replace(/\?.*$/s, '');
  if (isAmbiguousPath(path)) return false;
  return pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

/** The upload that a request to this place would be, whatever it says in its body. */
export const isUploadTo = (
  detail: Detail,
  to: { readonly host: string; readonly port: number; readonly path: string },
): boolean => {
  if (detail.type !== 'file.upload') return false;
  const { host, port, path } = destinationOf(detail.destination);
  return host === to.host && port === to.port && path === to.path;
};
