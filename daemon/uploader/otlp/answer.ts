// What an OTLP/HTTP server answered, taken at its word only when the word is well-formed: a portal that says 200 to
// everything has acknowledged nothing. (OTLP specification, OTLP/HTTP response.)
import protobuf from 'protobufjs/minimal.js';
import { SinkError } from '../entry.ts';
import { retryAfter } from '../post.ts';
import type { Posted } from '../post.ts';

export interface Accepted {
  /** Records the server says it will never take. */
  readonly rejected: number;
  /** In its words: why, or a warning when nothing was rejected. */
  readonly message: string;
}

/** The request itself is at fault, by the server's account: a smaller one may not be. */
export class BadRequest extends SinkError {
  readonly tooLarge: boolean;
  constructor(message: string, tooLarge: boolean) {
    super(message, {
      fix: 'see what the collector logs: it could not read the request, or takes no request of this size',
    });
    this.tooLarge = tooLarge;
  }
}

export function readAnswer(answer: Posted, sent: number, now: number): Accepted {
  const { status } = answer;
  if (status >= 200 && status < 300) return readSuccess(answer, sent);
  const said = words(answer);
  if (status === 400 || status === 413 || status === 422)
    throw new BadRequest(`it answered ${status}${said}`, status === 413);
  const asked = retryAfter(answer.headers['retry-after'], now);
  const fix = fixes[status] ?? (status >= 300 && status < 400 ? redirectFix : undefined);
  throw new SinkError(`it answered ${status}${said}`, {
    ...(asked === undefined ? {} : { retryAfter: asked }),
    ...(fix === undefined ? {} : { fix }),
  });
}

const redirectFix = 'write the address it redirects to into the settings: redirects are not followed';
const fixes: Readonly<Record<number, string>> = {
  401: 'renew the token (token-file) or the client certificate, then restart cordond; sessions go on',
  403: 'let this host write: its token or client certificate is known but not allowed',
  404: 'correct the path in the settings: OTLP logs usually go to /v1/logs',
  405: 'correct the path in the settings: OTLP logs usually go to /v1/logs',
  415: 'the collector takes no protobuf: turn that on in its OTLP/HTTP receiver',
  429: 'nothing: it is tried again when the sink said. If it stays, raise the limit there or set bandwidth:',
  503: 'nothing: it is tried again. If it stays, see whether the collector is overloaded',
};

const mediaType = (answer: Posted): string =>
  (answer.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();

function readSuccess(answer: Posted, sent: number): Accepted {
  const type = mediaType(answer);
  if (answer.body.length === 0 && (type === '' || type === protobufType)) return { rejected: 0, message: '' };
  if (type !== protobufType)
    throw new SinkError(
      `it answered ${answer.status} with ${type === '' ? 'no type' : type}, which is no OTLP`,
      {
        fix: 'see what answers at that address: a proxy or portal, rather than a collector',
      },
    );
  const accepted = readResponse(answer.body);
  if (accepted === undefined || accepted.rejected < 0 || accepted.rejected > sent)
    throw new SinkError('its answer could not be read', {
      fix: 'see whether the address is that of an OTLP/HTTP receiver',
    });
  return accepted;
}

export const protobufType = 'application/x-protobuf';

/** ExportLogsServiceResponse { partial_success = 1 { rejected_log_records = 1, error_message = 2 } } */
export function readResponse(bytes: Uint8Array): Accepted | undefined {
  try {
    const reader = protobuf.Reader.create(bytes);
    let accepted: Accepted = { rejected: 0, message: '' };
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 10) accepted = readPartial(protobuf.Reader.create(reader.bytes()));
      else skip(reader, tag);
    }
    return accepted;
  } catch (error) {
    if (error instanceof RangeError || error instanceof Error) return undefined;
    throw error;
  }
}

/** What the reader gives for 64 bits is a number or a Long; both print as decimal. */
const whole = (value: { toString(): string }): number => Number(value.toString());

function readPartial(reader: protobuf.Reader): Accepted {
  let rejected = 0;
  let text = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) rejected = whole(reader.int64());
    else if (tag === 18) text = shortened(Buffer.from(reader.bytes()).toString('utf8'));
    else skip(reader, tag);
  }
  return { rejected, message: text };
}

/** Groups nest without bound, and nobody has reason to send them. */
function skip(reader: protobuf.Reader, tag: number): void {
  const type = tag & 7;
  if (tag >>> 3 === 0 || type === 3 || type === 4 || type > 5) throw new RangeError('no field');
  reader.skipType(type);
}

/** What a sink says goes into records and onto terminals: short, and without control characters. */
export const shortened = (text: string): string =>
  text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, 300);

/** google.rpc.Status { message = 2 } or text. */
function words(answer: Posted): string {
  const type = mediaType(answer);
  const text =
    type === protobufType
      ? statusMessage(answer.body)
      : type.startsWith('text/plain')
        ? answer.body.toString('utf8')
        : '';
  const short = shortened(text);
  return short === '' ? '' : `: ${short}`;
}

function statusMessage(bytes: Uint8Array): string {
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 18) return Buffer.from(reader.bytes()).toString('utf8');
      skip(reader, tag);
    }
    return '';
  } catch {
    return ''; // It is only told, never acted on.
  }
}
