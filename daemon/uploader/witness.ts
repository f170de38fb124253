// Asks a witness to cosign a checkpoint (C2SP tlog-witness, add-checkpoint). The proof starts from the size the witness
// has; what it answers is kept and checked by cordond, which knows its key.
import type { WitnessSettings } from '../model/mod.ts';
import { SinkError } from './entry.ts';
import type { Checkpoint, Cosigned, Source, Witness } from './entry.ts';
import { shortened } from './otlp/answer.ts';
import { retryAfter } from './post.ts';
import type { Posted, Poster } from './post.ts';

const maxProof = 63;
/** The witness may be asked by somebody else in between; not more often than this. */
const attempts = 3;

export function witness(settings: WitnessSettings, poster: Poster, now: () => number): Witness {
  /** Size the witness has cosigned last, as far as is known here. */
  let old = 0;
  return {
    settings,
    cosign: async (checkpoint, proof) => {
      for (let i = 0; i < attempts; i++) {
        const answer = await ask(poster, old, checkpoint, proof);
        if (answer.status === 200) {
          old = checkpoint.size;
          return { size: checkpoint.size, signatures: signatureLines(answer.body) };
        }
        old = conflictSize(answer, checkpoint.size, old) ?? refused(answer, now());
      }
      throw new SinkError('the witness goes on naming other sizes');
    },
  };
}

async function ask(
  poster: Poster,
  old: number,
  checkpoint: Checkpoint,
  proof: Source['proof'],
): Promise<Posted> {
  const hashes = old === 0 || old === checkpoint.size ? [] : await proof(old, checkpoint.size);
  if (hashes.length > maxProof) throw new SinkError(`a proof of ${hashes.length} hashes is too long`);
  const lines = hashes.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('');
  const body = Buffer.from(`old ${old}\n${lines}\n${checkpoint.note}`);
  return poster.post({ 'Content-Type': 'text/plain; charset=utf-8' }, body);
}

/** The size the witness names, when that is why it refused and we can prove from there. */
function conflictSize(answer: Posted, size: number, old: number): number | undefined {
  if (answer.status !== 409) return undefined;
  const text = answer.body.toString('latin1');
  const named = /^(0|[1-9]\d{0,14})\n?$/.exec(text)?.[1];
  if (named === undefined) return undefined;
  if (Number(named) > size)
    throw new SinkError(`the witness has cosigned size ${named}, and this log says ${size}`, {
      fix: 'the log may have been set back: run cordon audit verify, and see the runbook on a sink that is down',
    });
  if (Number(named) === old && old === size)
    throw new SinkError(`the witness has cosigned another log of size ${named}`, {
      fix: 'the log may have been replaced: run cordon audit verify',
    });
  return Number(named);
}

function refused(answer: Posted, now: number): never {
  const asked = retryAfter(answer.headers['retry-after'], now);
  const fix = fixes[answer.status];
  throw new SinkError(`it answered ${answer.status}: ${shortened(answer.body.toString('utf8'))}`, {
    ...(asked === undefined ? {} : { retryAfter: asked }),
    ...(fix === undefined ? {} : { fix }),
  });
}

const fixes: Readonly<Record<number, string>> = {
  403: 'give the witness the public key of this log: cordon audit verify shows it',
  404: 'make the origin of this log known to the witness',
  409: 'the witness knows another history of this log: run cordon audit verify',
  422: 'the log is not what the witness cosigned before: run cordon audit verify',
};

const maxSignatures = 16;

/** Note signature lines (C2SP signed-note): `— <name> <base64>`. */
function signatureLines(body: Buffer): Cosigned['signatures'] {
  const text = body.toString('utf8');
  const lines = text.split('\n').slice(0, -1);
  const sound = lines.every((line) => /^\u2014 [^\s+]{1,256} [A-Za-z0-9+/]{6,8192}={0,2}$/.test(line));
  if (!text.endsWith('\n') || lines.length === 0 || lines.length > maxSignatures || !sound)
    throw new SinkError('the witness answered with no signature');
  return text;
}
