// Whose certificates are believed where egress speaks TLS itself. The supervisor reads the files and gives their text: this
// process opens none. A grant that names a file trusts what is in that file, and not the machine's authorities.
import { createSecureContext, type SecureContext } from 'node:tls';

/** File → its certificates as PEM; `''` is the machine's own. */
export type Authorities = ReadonlyMap<string, string>;

export class Trust {
  private authorities: Authorities;
  /** By the PEM it was made of: unchanged text gives the same object, over changes of policy too. */
  private contexts = new Map<string, SecureContext>();
  constructor(authorities: Authorities) {
    this.authorities = authorities;
  }

  replace(authorities: Authorities): void {
    const kept = new Set(authorities.values());
    this.authorities = authorities;
    this.contexts = new Map([...this.contexts].filter(([pem]) => kept.has(pem)));
  }

  /** `file`: of the grant; undefined: the machine's authorities. A sentence when there is nothing to verify by. */
  contextOf(file: string | undefined): SecureContext | string {
    const pem = this.authorities.get(file ?? '') ?? '';
    if (pem === '')
      return `there are no certificates of authorities in ${file ?? 'the places of this machine'}`;
    const known = this.contexts.get(pem);
    if (known !== undefined) return known;
    try {
      const context = createSecureContext({ ca: pem, minVersion: 'TLSv1.2' });
      this.contexts.set(pem, context);
      return context;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return `the certificates of ${file ?? 'this machine’s authorities'} cannot be used: ${why}`;
    }
  }
}
