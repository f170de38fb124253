#!/usr/bin/python3
"""A relying party that knows Cordon's documents and none of its code: Debian's tpm2-tools and OpenSSL judge quotes, keys
and tokens, Python's standard library reads JSON and bytes. Exits 0 and says why it accepts, or 1 and why it refuses.

  enrol REQUEST ROOTS ISSUERS STATE    is this a maker's TPM? writes STATE/challenge.json for the endpoint
  activate ANSWER STATE                did that TPM open the challenge? then its attestation key is known
  quote DIR NONCE REFERENCE STATE      is the machine what it should be? then its token keys are known
  token REQUEST REFERENCE STATE        {token, dpop, method, url, audience, jwks, status}: may this request be served?
"""
import base64, hashlib, json, os, re, secrets, struct, subprocess, sys, time, zlib

MAGIC, QUOTE, CERTIFY = 0xFF544347, 0x8018, 0x8017
FIXED_TPM, FIXED_PARENT, SENSITIVE_ORIGIN, RESTRICTED, DECRYPT, SIGN = 1 << 1, 1 << 4, 1 << 5, 1 << 16, 1 << 17, 1 << 18
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")


class Refused(Exception):
    pass


def require(holds, why):
    if not holds:
        raise Refused(why)


def tool(why, *command):
    done = subprocess.run(command, capture_output=True, env={"PATH": "/usr/bin:/bin", "TSS2_LOG": "all+NONE"})
    require(done.returncode == 0, why)
    return done.stdout


def put(path, content):
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def sha256(data):
    return hashlib.sha256(data).digest()


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sized(data, at):
    length = struct.unpack_from(">H", data, at)[0]
    require(at + 2 + length <= len(data), "a structure of the TPM is cut off")
    return data[at + 2 : at + 2 + length], at + 2 + length


# --- keys of a TPM (TPM 2.0 Library, Part 2, TPMT_PUBLIC)


def public_area(area):
    kind, name_hash, attributes = struct.unpack_from(">HHI", area, 0)
    digest = {0x000B: hashlib.sha256, 0x000C: hashlib.sha384}.get(name_hash)
    require(digest is not None, "a key's name is by an unknown digest")
    _, at = sized(area, 8)
    unique = b""
    if kind == 0x0023:
        symmetric = struct.unpack_from(">H", area, at)[0]
        at += 2 if symmetric == 0x0010 else 6
        at += 2 if struct.unpack_from(">H", area, at)[0] == 0x0010 else 4
        curve, kdf = struct.unpack_from(">HH", area, at)
        require(kdf == 0x0010, "a key has a key derivation function")
        x, at = sized(area, at + 4)
        y, at = sized(area, at)
        unique = x + y
        pem = pem_of(SPKI_P256 + unique) if curve == 3 and len(unique) == 64 else b""
    else:
        unique, pem = area[-256:], b""
    return {"name": area[2:4] + digest(area).digest(), "attributes": attributes, "unique": unique, "pem": pem}


def pem_of(der):
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der) + b"-----END PUBLIC KEY-----\n"


def stays_in_tpm(key, why):
    needed = FIXED_TPM | FIXED_PARENT | SENSITIVE_ORIGIN | SIGN
    require(key["attributes"] & needed == needed and not key["attributes"] & DECRYPT, why)


def der_signature(r, s):
    def integer(value):
        value = value.lstrip(b"\0") or b"\0"
        value = b"\0" + value if value[0] & 0x80 else value
        return b"\x02" + bytes([len(value)]) + value

    body = integer(r) + integer(s)
    return b"\x30" + bytes([len(body)]) + body


def verify_ecdsa(state, pem, signed, r, s, why):
    key, sig, msg = (put(f"{state}/{n}", c) for n, c in (("k.pem", pem), ("k.sig", der_signature(r, s)), ("k.msg", signed)))
    tool(why, "openssl", "dgst", "-sha256", "-verify", key, "-signature", sig, msg)


def attested(data):
    """TPMS_ATTEST: type, qualifyingData, and what follows the fixed part."""
    magic, kind = struct.unpack_from(">IH", data, 0)
    require(magic == MAGIC, "no TPM made this")
    _, at = sized(data, 6)
    extra, at = sized(data, at)
    return kind, extra, data[at + 25 :]


# --- the four questions


def enrol(request, roots, issuers, state):
    asked = json.loads(read(request))
    ek, ak = (base64.b64decode(asked[name]) for name in ("ek", "ak"))
    require(asked["certificates"], "the endorsement key has no certificate")
    put(f"{state}/ek.der", base64.b64decode(asked["certificates"][0]))
    pem = tool("the certificate cannot be read", "openssl", "x509", "-inform", "DER", "-in", f"{state}/ek.der")
    put(f"{state}/ek.pem", pem)
    tool("the endorsement key leads to no maker that is trusted", "openssl", "verify", "-CAfile", roots, "-untrusted", issuers, f"{state}/ek.pem")
    spki = tool("no key", "openssl", "x509", "-in", f"{state}/ek.pem", "-noout", "-pubkey")
    der = base64.b64decode(b"".join(spki.split(b"\n")[1:-2]))
    require(public_area(ek)["unique"] in der, "the certificate is for another endorsement key")
    key = public_area(ak)
    stays_in_tpm(key, "the attestation key may leave the TPM, or is for something else")
    require(key["attributes"] & RESTRICTED, "the attestation key signs anything")
    secret = put(f"{state}/secret", secrets.token_bytes(32))
    put(f"{state}/ek.pub", struct.pack(">H", len(ek)) + ek)
    put(f"{state}/asked.pub", struct.pack(">H", len(ak)) + ak)
    made = ["-u", f"{state}/ek.pub", "-s", secret, "-n", key["name"].hex(), "-o", f"{state}/credential"]
    tool("no credential can be made", "tpm2_makecredential", "-T", "none", *made)
    id_object, at = sized(read(f"{state}/credential"), 8)
    encrypted, _ = sized(read(f"{state}/credential"), at)
    parts = {"id": "1", "idObject": id_object, "encryptedSecret": encrypted}
    text = {k: v if isinstance(v, str) else base64.b64encode(v).decode() for k, v in parts.items()}
    put(f"{state}/challenge.json", json.dumps(text))
    return "a maker's TPM; whether the attestation key is in it, the answer will tell"


def activate(answer, state):
    given = bytes.fromhex(json.loads(read(answer))["secret"])
    require(secrets.compare_digest(given, read(f"{state}/secret")), "the TPM did not open the challenge")
    os.replace(f"{state}/asked.pub", f"{state}/ak.pub")
    return "the attestation key is in that TPM"


def quote(directory, nonce, reference, state):
    if os.path.exists(f"{state}/accepted.json"):
        os.remove(f"{state}/accepted.json")  # What was accepted before says nothing of now.
    text = read(f"{directory}/statement.json")
    kind, extra, _ = attested(read(f"{directory}/quote.msg"))
    require(kind == QUOTE, "this is no quote")
    files = ["-m", f"{directory}/quote.msg", "-s", f"{directory}/quote.sig", "-f", f"{directory}/quote.pcrs"]
    checked = ["-g", "sha256", "-q", sha256(text).hex()]
    said = tool("tpm2_checkquote refuses it", "tpm2_checkquote", "-u", f"{state}/ak.pub", *files, *checked).decode()
    require(extra == sha256(text), "the statement is not what was quoted")
    statement, wanted = json.loads(text), json.loads(read(reference))
    require(statement["nonce"] == nonce, "it answers another challenge")
    values = {pcr: value.lower() for pcr, value in re.findall(r"^\s+(\d+)\s*:\s*0x([0-9A-Fa-f]+)$", said, re.M)}
    for pcr, value in wanted["pcrs"].items():
        require(values.get(pcr) == value, f"PCR {pcr} is not what this machine should have started as")
    require(statement["images"] == wanted["images"], "other programs run there")
    require(statement["policy"]["digest"] in wanted["policies"], "another policy is in force there")
    require(statement["audit"]["lost"] == 0, "the record was put back to an earlier state")
    for session in statement["sessions"]:
        require(session["mode"] == "enforce" and not session["lacking"], "a session is not enforced")
    keys = [certified(one, sha256(text), state) for one in json.loads(read(f"{directory}/evidence.json")).get("tokenKeys", [])]
    accepted = {"keys": keys, "sessions": {one["id"]: one["policy"] for one in statement["sessions"]}}
    put(f"{state}/accepted.json", json.dumps(accepted))
    return f"the machine is what it should be; {len(keys)} token key(s) are in its TPM"


def certified(evidence, digest, state):
    """A token key, which the attestation key says is in the same TPM: x and y, hexadecimal."""
    attest, signature, area = (base64.b64decode(evidence[name]) for name in ("attest", "signature", "publicArea"))
    kind, extra, rest = attested(attest)
    key = public_area(area)
    require(kind == CERTIFY and extra == digest and sized(rest, 0)[0] == key["name"], "a token key is not certified")
    stays_in_tpm(key, "a token key may leave the TPM")
    require(struct.unpack_from(">HH", signature, 0) == (0x0018, 0x000B), "an unknown signature")
    r, at = sized(signature, 4)
    ak = public_area(read(f"{state}/ak.pub")[2:])
    verify_ecdsa(state, ak["pem"], attest, r, sized(signature, at)[0], "another key certified a token key")
    return key["unique"].hex()


def jws(state, text, jwk, kind, why):
    head, payload, signature = text.split(".")
    header, raw = json.loads(b64url(head)), b64url(signature)
    jwk = jwk(header)
    require(header.get("typ") == kind and "crit" not in header, f"{why}: another kind of JWT")
    signed = f"{head}.{payload}".encode()
    if header["alg"] == "ES256" and (jwk["kty"], jwk["crv"]) == ("EC", "P-256"):
        pem = pem_of(SPKI_P256 + b64url(jwk["x"]) + b64url(jwk["y"]))
        verify_ecdsa(state, pem, signed, raw[:32], raw[32:], f"{why}: the signature is not that of its key")
    elif header["alg"] == "EdDSA" and (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
        key, sig, msg = f"{state}/k.pem", f"{state}/k.sig", f"{state}/k.msg"
        put(key, pem_of(SPKI_ED25519 + b64url(jwk["x"]))), put(sig, raw), put(msg, signed)
        check = ["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", key, "-sigfile", sig, "-in", msg]
        tool(f"{why}: the signature is not that of its key", "openssl", *check)
    else:
        raise Refused(f"{why}: an algorithm that is not allowed")
    return json.loads(b64url(payload)), jwk


def token(request, reference, state):
    asked, wanted = json.loads(read(request)), json.loads(read(reference))
    require(os.path.exists(f"{state}/accepted.json"), "the machine that it comes from was not accepted")
    accepted = json.loads(read(f"{state}/accepted.json"))

    def published(header):
        found = [key for key in asked["jwks"]["keys"] if key["kid"] == header["kid"]]
        require(len(found) == 1, "the token's key is not published")
        inside = (b64url(found[0].get("x", "")) + b64url(found[0].get("y", ""))).hex()
        require(inside in accepted["keys"], "the token's key is not one that the machine's TPM vouched for")
        return found[0]

    now = time.time()
    claims, _ = jws(state, asked["token"], published, "cordon-token+jwt", "token")
    require(claims["nbf"] <= now + 5 and now < claims["exp"] <= claims["iat"] + 3600, "the token's time is over, or not come")
    require(claims["aud"] == asked["audience"], "the token is for somebody else")
    about = claims["cordon"]
    running = accepted["sessions"].get(about["session"])
    require(running == about["policy"]["digest"], "its session does not run under that policy on the machine")
    require(running in wanted["sessions"], "its session runs under another policy than it should")
    listed, _ = jws(state, asked["status"], published, "statuslist+jwt", "status list")
    entry = claims["status"]["status_list"]
    bits = zlib.decompress(b64url(listed["status_list"]["lst"]))
    require(listed["sub"] == entry["uri"] and now < listed["exp"], "the status list is old, or another")
    require(listed["status_list"]["bits"] == 1 and not bits[entry["idx"] // 8] >> entry["idx"] % 8 & 1, "the token is revoked")
    proof, key = jws(state, asked["dpop"], lambda header: header["jwk"], "dpop+jwt", "proof")
    members = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}[key["kty"]]
    thumbprint = sha256(json.dumps({m: key[m] for m in members}, separators=(",", ":")).encode())
    require(b64url(claims["cnf"]["jkt"]) == thumbprint, "who shows the token does not have its key")
    require((proof["htm"], proof["htu"]) == (asked["method"], asked["url"]), "the proof is for another request")
    require(b64url(proof["ath"]) == sha256(asked["token"].encode()), "the proof is for another token")
    require(abs(now - proof["iat"]) < 60, "the proof is old")
    return f"session {about['session']} of {about['user']} may: {json.dumps(claims['authorization_details'])}"


if __name__ == "__main__":
    try:
        print("accepted:", {"enrol": enrol, "activate": activate, "quote": quote, "token": token}[sys.argv[1]](*sys.argv[2:]))
    except Refused as refused:
        print("refused:", refused)
        sys.exit(1)
