// The checks of what the endpoint says of itself, once the quote vouches that it said so.
import { timingSafeEqual } from 'node:crypto';
import { isGenerated, readAttest, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { readStatement, statementDigest } from '../evidence/mod.ts';
import type { AuditStatement, Evidence, Statement } from '../evidence/mod.ts';
import { absent, failed, judged, look, notRun } from './checks.ts';
import type { Check } from './checks.ts';
import type { Enrolled } from './enrol.ts';
import type { Expectations } from './expectations.ts';
import type { Memory } from './memory.ts';
import { isSigned } from './quote-checks.ts';
import { recordKeyCheck } from './record-key-check.ts';
import { sessionsCheck } from './sessions-check.ts';
import { tokenKeysCheck } from './token-keys-check.ts';

export interface StatementContext {
  readonly evidence: Evidence;
  readonly expectations: Expectations;
  /** Lowercase hexadecimal: the verifier's own. */
  readonly nonce: string;
  readonly enrolled: Enrolled | undefined;
  readonly memory: Memory | undefined;
}

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

export function preimageCheck({ evidence }: StatementContext): Check {
  const { extraData } = readAttest(evidence.quote.attest);
  return judged(
    'statement',
    same(extraData, statementDigest(evidence.statement))
      ? undefined
      : 'the quote was made over another statement',
  );
}

const nonceCheck = ({ nonce }: StatementContext, statement: Statement): Check =>
  judged(
    'nonce',
    statement.nonce === nonce
      ? undefined
      : 'the nonce is not the one asked for: an old quote, or one for another',
  );

function imagesCheck({ expectations: { images } }: StatementContext, statement: Statement): Check {
  if (images.daemon.length + images.supervisor.length === 0)
    return notRun('images', 'there are no reference values for programs');
  const wrong = (['daemon', 'supervisor'] as const).filter(
    (name) => images[name].length > 0 && !images[name].includes(statement.images[name]),
  );
  return judged(
    'images',
    wrong.length === 0 ? undefined : `the ${wrong.join(' and ')} is not one that is expected`,
  );
}

function policyCheck({ expectations: { policyDigests } }: StatementContext, { policy }: Statement): Check {
  if (policyDigests.length === 0) return notRun('policy', 'there is no list of policies');
  return judged(
    'policy',
    policyDigests.includes(policy.digest) ? undefined : `policy ${policy.digest} is not on the list`,
  );
}

function layersCheck({ expectations: { layers } }: StatementContext, { sessions }: Statement): Check {
  if (layers.length === 0) return notRun('layers', 'no layer is demanded');
  const lacking = sessions.filter(({ layers: has }) => layers.some((layer) => !has.includes(layer)));
  return judged(
    'layers',
    lacking.length === 0 ? undefined : `sessions ${lacking.map(({ id }) => id).join(', ')} lack a layer`,
  );
}

function auditProblem({ expectations, memory }: StatementContext, { audit }: Statement): string | undefined {
  const { minimumAuditSize, maximumLost } = expectations;
  if (audit.size < minimumAuditSize)
    return `the record has ${audit.size} entries, fewer than ${minimumAuditSize}`;
  if (audit.lost > maximumLost)
    return `${audit.lost} steps of the counter are unaccounted for: an older record was put back`;
  if (memory === undefined || memory.auditOrigin === '') return undefined;
  if (audit.origin !== memory.auditOrigin) return `the record is another than before (${audit.origin})`;
  if (audit.key !== memory.auditKey) return 'the record is signed by another key than before';
  if (audit.size < memory.auditSize)
    return `the record had ${memory.auditSize} entries and has ${audit.size} now`;
  return audit.size === memory.auditSize && audit.root !== memory.auditRoot
    ? 'the record has as many entries as before, and they are others'
    : undefined;
}

/** Leaving it out must not be a way around it, nor enrolling anew without it. */
function noCounter(enrolled: Enrolled | undefined, memory: Memory | undefined, audit: AuditStatement): Check {
  if (enrolled !== undefined && enrolled.counter !== '')
    return failed('counter', 'the rollback counter that was enrolled is not in the evidence');
  if (memory !== undefined && BigInt(memory.counter) > 0n)
    return failed('counter', `the counter was at ${memory.counter} and is not in the evidence now`);
  return audit.counter > 0
    ? failed('counter', 'the statement names a counter that the TPM did not certify')
    : absent('counter', 'there is no rollback counter');
}

function counterCheck({ evidence, enrolled, memory }: StatementContext, { audit }: Statement): Check {
  const { counter } = evidence;
  if (counter === undefined) return noCounter(enrolled, memory, audit);
  const attest = readAttest(counter.attest);
  if (attest.type !== 'nv' || !isGenerated(attest))
    return failed('counter', 'what was certified is no counter');
  if (!isSigned(readKey(evidence.ak), counter))
    return failed('counter', 'the attestation key did not certify the counter');
  if (!same(attest.extraData, statementDigest(evidence.statement)))
    return failed('counter', 'the counter was certified for another statement');
  const known = enrolled?.counter ?? memory?.counterName ?? '';
  if ((enrolled !== undefined || known !== '') && attest.index.toString('hex') !== known)
    return failed('counter', 'the counter is another than the enrolled one');
  if (attest.offset !== 0 || attest.contents.length !== 8) return failed('counter', 'that is no counter');
  const value = attest.contents.readBigUInt64BE();
  if (memory !== undefined && value < BigInt(memory.counter))
    return failed('counter', `the counter was at ${memory.counter} and is at ${value} now`);
  return judged(
    'counter',
    value === BigInt(audit.counter)
      ? undefined
      : `the counter is at ${value}, the record knows of ${audit.counter}: an older record was put back`,
    `at ${value}`,
  );
}

function killCheck({ expectations, memory }: StatementContext, { killEpoch }: Statement): Check {
  const least = Math.max(expectations.minimumKillEpoch, memory?.killEpoch ?? 0);
  return judged(
    'kill-epoch',
    killEpoch >= least ? undefined : `the kill epoch is ${killEpoch}, less than ${least}`,
  );
}

/** All checks of the statement. When it cannot be read there is one. */
export function statementChecks(context: StatementContext): {
  checks: Check[];
  statement: Statement | undefined;
} {
  const preimage = look('statement', () => preimageCheck(context));
  let statement: Statement;
  try {
    statement = readStatement(context.evidence.statement);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { checks: [failed('statement', reason)], statement: undefined };
  }
  return {
    statement,
    checks: [
      preimage,
      nonceCheck(context, statement),
      imagesCheck(context, statement),
      policyCheck(context, statement),
      layersCheck(context, statement),
      sessionsCheck(context.expectations, statement),
      judged('audit', auditProblem(context, statement), `${statement.audit.size} entries`),
      look('audit-key', () => recordKeyCheck(context, statement)),
      look('token-keys', () => tokenKeysCheck(context)),
      look('counter', () => counterCheck(context, statement)),
      killCheck(context, statement),
    ],
  };
}
