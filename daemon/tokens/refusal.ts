// Why a token, a proof or a wish for a token is refused. A closed list: backends and tests tell refusals apart by it.
import { CordonError } from '../model/mod.ts';

export type RefusalReason =
  | 'malformed' // not a JWT, or not in its one form
  | 'schema' // a claim is missing, unknown, too long or of the wrong shape
  | 'algorithm' // `none`, a secret-key algorithm, or not the key's
  | 'key' // no such key
  | 'signature'
  | 'type' // signed by the right key, for something else
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not-yet-valid'
  | 'lifetime' // longer than any token may live
  | 'proof' // no DPoP proof, or not for this request and token
  | 'stolen' // a proof by another key than the token is bound to
  | 'replayed' // this proof was seen before
  | 'used-up'
  | 'revoked'
  | 'policy' // minted under a policy that is no longer in force
  | 'attestation'
  | 'not-covered' // the action is not among its authorization details
  | 'widened' // a sub-token that asks for more than its parent
  | 'beyond-session' // more than the session itself may do
  | 'beyond-policy' // more than an issuer of several endpoints grants
  | 'rate'
  | 'unavailable'; // what must be asked cannot be asked

export class TokenRefused extends CordonError {
  readonly why: RefusalReason;
  constructor(why: RefusalReason, message: string, fix?: string) {
    super('not-permitted', message, fix === undefined ? {} : { fix });
    this.name = 'TokenRefused';
    this.why = why;
  }
}
