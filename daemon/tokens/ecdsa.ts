// P-256 signatures as DER (RFC 3279, section 2.2.3). Node checks one with a bare key object a third faster than R and S side by
// side, for which it needs options with every call.

/** From R and S side by side (RFC 7518, section 3.4), 64 bytes. */
export function derOf(signature: Buffer): Buffer {
  const [r, s] = [integer(signature.subarray(0, 32)), integer(signature.subarray(32))];
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s]);
}

/** The shortest form of a positive number. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.of(0) : bytes.subarray(first);
  const sign = (digits[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return Buffer.concat([Buffer.of(0x02, sign.length + digits.length), sign, digits]);
}
