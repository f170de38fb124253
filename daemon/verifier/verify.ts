// A verdict on evidence. Pure: everything it knows is given to it, and it says what is to be remembered.
import { nameOf, readAttest, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { readEvidence } from '../evidence/mod.ts';
import type { EcJwk, Evidence, Statement } from '../evidence/mod.ts';
import type { TpmKind } from '../model/mod.ts';
import { accepted, failed, judged, look, notRun, passed } from './checks.ts';
import type { Check, CheckName } from './checks.ts';
import type { Enrolled } from './enrol.ts';
import type { Expectations } from './expectations.ts';
import { remembered, timeProblem } from './memory.ts';
import type { Memory } from './memory.ts';
import { pcrChecks, signatureChecks } from './quote-checks.ts';
import { statementChecks } from './statement-checks.ts';
import { tokenJwks } from './token-keys-check.ts';

export interface VerifyRequest {
  /** As it was received. */
  readonly evidence: string;
  /** The nonce that was given out for it: lowercase hexadecimal. */
  readonly nonce: string;
  readonly expectations: Expectations;
  /** From the verifier's own enrolment of this endpoint. */
  readonly enrolled?: Enrolled;
  /** From the last evidence of this endpoint that was accepted. */
  readonly memory?: Memory;
}

export interface Verdict {
  readonly accepted: boolean;
  readonly checks: readonly Check[];
  /** Name of the attestation key, hexadecimal; empty when it could not be read. */
  readonly ak: string;
  readonly tpm: TpmKind;
  readonly statement: Statement | undefined;
  /** Token keys that are shown to be in this TPM. */
  readonly tokenKeys: readonly EcJwk[];
  /**
   * The endpoint itself said this, now, whether it is accepted or not: a refusal that is authentic takes back an acceptance,
   * a stranger's noise does not.
   */
  readonly authentic: boolean;
  /** To keep when accepted. */
  readonly memory: Memory | undefined;
}

/** Together they say: the restricted key of this TPM signed this statement, for this nonce. */
const proofOfOrigin: readonly CheckName[] = [
  ...(['ak-attributes', 'quote-signature', 'quote-magic', 'quote-type', 'statement', 'nonce'] as const),
];

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function identityChecks(
  ak: string,
  { enrolled, expectations }: VerifyRequest,
  statement: Statement | undefined,
): { checks: Check[]; tpm: TpmKind } {
  const pinned = expectations.pinned.get(ak);
  const known = enrolled?.ak === ak ? enrolled.tpm : pinned;
  if (known === undefined) {
    const why =
      enrolled === undefined
        ? 'the key is not enrolled with this verifier'
        : 'the enrolment is of another key';
    return { checks: [failed('enrolment', why), notRun('tpm', 'nothing is known of the TPM')], tpm: 'none' };
  }
  // What the endpoint says can only make it less.
  const tpm = statement?.tpm === 'software' ? 'software' : known;
  const allowed = tpm === 'hardware' || expectations.allowSoftware;
  return {
    checks: [
      passed(
        'enrolment',
        enrolled?.ak === ak ? 'enrolled: its TPM holds the endorsed key' : 'pinned by Name',
      ),
      judged('tpm', allowed ? undefined : 'the TPM is software', tpm),
    ],
    tpm,
  };
}

function clockCheck(evidence: Evidence, memory: Memory | undefined): Check {
  const quote = readAttest(evidence.quote.attest);
  if (quote.type !== 'quote') return failed('clock', 'there is no quote');
  if (memory === undefined) return notRun('clock', 'this endpoint was not seen before');
  return judged('clock', timeProblem(quote, memory));
}

function memoryOf(evidence: Evidence, statement: Statement | undefined): Memory | undefined {
  const quote = readAttest(evidence.quote.attest);
  if (quote.type !== 'quote' || statement === undefined) return undefined;
  const counter = evidence.counter === undefined ? undefined : readAttest(evidence.counter.attest);
  const counterName = counter?.type === 'nv' ? counter.index.toString('hex') : '';
  return remembered(quote, statement, counterName, evidence.recordKey !== undefined);
}

/** Never throws for what the evidence is. */
export function verifyEvidence(request: VerifyRequest): Verdict {
  let evidence: Evidence;
  let ak: string;
  try {
    evidence = readEvidence(request.evidence);
    ak = nameOf(readKey(evidence.ak)).toString('hex');
  } catch (error) {
    const checks = [failed('form', reasonOf(error))];
    return {
      accepted: false,
      checks,
      ak: '',
      tpm: 'none',
      statement: undefined,
      tokenKeys: [],
      authentic: false,
      memory: undefined,
    };
  }
  const { expectations, nonce, memory } = request;
  // What is known of another key says nothing of this one.
  const enrolled = request.enrolled?.ak === ak ? request.enrolled : undefined;
  const context = { evidence, expectations, nonce, enrolled, memory };
  const { checks: about, statement } = statementChecks(context);
  const identity = identityChecks(ak, request, statement);
  const checks = [
    passed('form'),
    ...identity.checks,
    ...signatureChecks(evidence),
    ...pcrChecks(evidence, expectations),
    look('clock', () => clockCheck(evidence, memory)),
    ...about,
  ];
  const fine = accepted(checks);
  return {
    accepted: fine,
    checks,
    ak,
    tpm: identity.tpm,
    statement,
    tokenKeys: checks.some(({ name, outcome }) => name === 'token-keys' && outcome === 'success')
      ? tokenJwks(evidence)
      : [],
    authentic: proofOfOrigin.every((name) =>
      checks.some((check) => check.name === name && check.outcome === 'success'),
    ),
    memory: fine ? memoryOf(evidence, statement) : undefined,
  };
}
