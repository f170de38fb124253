// action = operation + object + context. What a decision is asked about.
import type { BytePath } from './path.ts';

/** File operations as the profile grammar names them. `write` covers create, truncate, rename, link, unlink, chmod. */
export type FileAccess = 'read' | 'write' | 'exec';

export interface FileQuery {
  readonly access: FileAccess;
  readonly path: BytePath;
  /** As if no protective rule were there: for a place where it was found not to apply. */
  readonly unprotected?: boolean;
}

/** A destination by name (known from a pinned DNS answer or SNI/Host) or by literal address. */
export interface NetworkQuery {
  /** Lower-case name without trailing dot, or undefined when only the address is known. */
  readonly host?: string;
  /** Canonical address text (v4-mapped already folded to v4), or undefined when asked for the name alone. */
  readonly address?: string;
  /** 1..65535; undefined asks "may this name be looked up at all?". */
  readonly port?: number;
}

export interface SocketQuery {
  /** Resolved pathname of a unix socket. */
  readonly path: BytePath;
}
