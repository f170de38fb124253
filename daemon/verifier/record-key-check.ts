// The check of the key that signs the record: that the TPM created the object that seals it, in the state of the machine
// that is quoted, for exactly the key that the statement names, and gives it out in that state alone.
import {
  digest,
  hashNamed,
  isGenerated,
  nameOf,
  OBJECT,
  pcrDigest,
  pcrPolicy,
  readAttest,
  readCreationData,
  readKey,
  readPublic,
} from '../../native-bindings/tpm/wire/mod.ts';
import type { CreationData, PcrValues, Public } from '../../native-bindings/tpm/wire/mod.ts';
import { recordKeyBinding, resettablePcrs, statementDigest } from '../evidence/mod.ts';
import type { Evidence, RecordKeyEvidence, Statement } from '../evidence/mod.ts';
import { absent, failed, judged } from './checks.ts';
import type { Check } from './checks.ts';
import type { Expectations } from './expectations.ts';
import type { Memory } from './memory.ts';
import { isSigned } from './quote-checks.ts';

export interface RecordKeyContext {
  readonly evidence: Evidence;
  readonly expectations: Expectations;
  readonly memory: Memory | undefined;
}

const list = (pcrs: readonly number[]): string => pcrs.join(', ');

/** Why this object gives what it holds to others than the policy says. */
function attributesProblem(object: Public): string | undefined {
  const { attributes } = object;
  const fixed = OBJECT.fixedTPM | OBJECT.fixedParent;
  if (object.type !== 'keyedhash') return 'what was certified seals nothing';
  if ((attributes & fixed) !== fixed) return 'what was certified can be taken to another TPM';
  const open = OBJECT.userWithAuth | OBJECT.sign | OBJECT.decrypt | OBJECT.restricted;
  return (attributes & open) === 0 ? undefined : 'what was certified opens by other ways than its policy';
}

function certificationProblem(
  evidence: Evidence,
  recordKey: RecordKeyEvidence,
  object: Public,
): string | undefined {
  const attest = readAttest(recordKey.attest);
  if (attest.type !== 'creation' || !isGenerated(attest)) return 'what was certified is no creation';
  if (!isSigned(readKey(evidence.ak), recordKey)) return 'the attestation key did not certify it';
  if (!attest.extraData.equals(statementDigest(evidence.statement)))
    return 'it was certified for another statement';
  if (!attest.name.equals(nameOf(object))) return 'another object was certified';
  return digest(object.nameAlg, recordKey.creationData).equals(attest.creationHash)
    ? undefined
    : 'the creation data are not those certified';
}

/** Undefined: the sealed object is of PCRs that were not quoted, or could be anything. */
function sealedValues({ bank, pcrs }: Evidence, { selection }: CreationData): PcrValues | undefined {
  const [selected, ...others] = selection;
  if (selected === undefined || others.length > 0 || selected.alg !== hashNamed(bank)) return undefined;
  const values = selected.pcrs.flatMap((pcr) => {
    const value = pcrs.get(pcr);
    return value === undefined || resettablePcrs.includes(pcr) ? [] : [[pcr, value] as const];
  });
  return values.length === 0 || values.length !== selected.pcrs.length ? undefined : new Map(values);
}

function stateProblem(
  object: Public,
  creation: CreationData,
  bank: string,
  values: PcrValues,
): string | undefined {
  if (!creation.pcrDigest.equals(pcrDigest(object.nameAlg, values)))
    return 'it was sealed while the PCRs had other values: the machine was started otherwise since';
  return object.policy.equals(pcrPolicy(hashNamed(bank) ?? 0, values))
    ? undefined
    : 'its policy is not that of the quoted PCRs';
}

function notShown({ expectations, memory }: RecordKeyContext, { audit }: Statement): Check {
  if (expectations.requireSealedKey) return failed('audit-key', 'the record’s key is not sealed by the TPM');
  return memory?.auditKeySealed === true && memory.auditKey === audit.key
    ? failed('audit-key', 'the record’s key was sealed by the TPM, and that is not shown any more')
    : absent('audit-key', 'the record’s key is not sealed by the TPM');
}

/** Throws for what cannot be read. */
export function recordKeyCheck(context: RecordKeyContext, statement: Statement): Check {
  const { evidence, expectations } = context;
  const { recordKey } = evidence;
  if (recordKey === undefined) return notShown(context, statement);
  const object = readPublic(recordKey.publicArea);
  const problem = certificationProblem(evidence, recordKey, object) ?? attributesProblem(object);
  if (problem !== undefined) return failed('audit-key', problem);
  const creation = readCreationData(recordKey.creationData);
  if (!creation.outsideInfo.equals(recordKeyBinding(Buffer.from(statement.audit.key, 'hex'))))
    return failed('audit-key', 'it was sealed for another key than the record is signed with');
  const values = sealedValues(evidence, creation);
  if (values === undefined) return failed('audit-key', 'it is sealed to PCRs that were not quoted');
  const pcrs = [...values.keys()];
  const missing = expectations.sealedPcrs.filter((pcr) => !pcrs.includes(pcr));
  if (missing.length > 0) return failed('audit-key', `it is not sealed to PCR ${list(missing)}`);
  return judged(
    'audit-key',
    stateProblem(object, creation, evidence.bank, values),
    `sealed to PCR ${list(pcrs)} as quoted`,
  );
}
