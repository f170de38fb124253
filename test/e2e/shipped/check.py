#!/usr/bin/python3
"""A stranger with records as they came out of a sink, and the log's public key: RFC 6962, RFC 8785 and C2SP signed notes by
Python's standard library and OpenSSL, and nothing of Cordon's.

  check.py KEY RECORDS CHECKPOINT    RECORDS: a JSON line each, {position, leaf, chain, event (base64)}

Exits 0 and counts what is proven, or 1 and says what is wrong.
"""
import base64, hashlib, json, os, subprocess, sys, tempfile

SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")


class Wrong(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Wrong(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:]))


def signed(note, key):
    """The text of a C2SP signed note, by this verifier key."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)
    require(sha256(name.encode() + b"\n" + public)[:4].hex() == key_id and public[0] == 1, "this is no Ed25519 verifier key")
    text, signatures = note.split("\n\n", 1)
    lines = [line.split(" ") for line in signatures.strip().split("\n")]
    ours = [base64.b64decode(line[2]) for line in lines if line[0] == "\u2014" and line[1] == name]
    ours = [signature[4:] for signature in ours if signature[:4].hex() == key_id]
    require(len(ours) == 1, "the checkpoint is not signed by this key")
    with tempfile.TemporaryDirectory() as directory:
        def put(what, content):
            with open(os.path.join(directory, what), "wb") as file:
                file.write(content)
            return file.name

        pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(SPKI_ED25519 + public[1:]) + b"-----END PUBLIC KEY-----\n"
        given = ["-inkey", put("key", pem), "-sigfile", put("sig", ours[0]), "-in", put("text", (text + "\n").encode())]
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", *given], capture_output=True)
    require(done.returncode == 0, "the checkpoint's signature is false")
    return text.split("\n")


def check(key, records, checkpoint):
    origin, size, root = signed(open(checkpoint, encoding="utf-8").read(), key)[:3]
    require(origin == key.split("+")[0], "the checkpoint is of another log")
    leaves, chain, kinds, seen = [], bytes(32), {}, set()
    for number, line in enumerate(open(records, encoding="utf-8")):
        record = json.loads(line)
        event = base64.b64decode(record["event"])
        leaf = sha256(b"\0" + event)
        chain = sha256(chain + leaf)
        require(record["position"] == number, f"record {number} is missing, or out of its place")
        require(record["leaf"] == leaf.hex(), f"record {number} is not what was hashed")
        require(record["chain"] == chain.hex(), f"the chain breaks at record {number}")
        fields = json.loads(event)
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        require(canonical.encode() == event, f"record {number} is not in its canonical form")
        require(fields["metadata"]["uid"] not in seen, f"record {number} is there twice")
        seen.add(fields["metadata"]["uid"])
        said = {1: "allowed", 2: "blocked"}.get(fields.get("disposition_id"), "other")
        kinds[said] = kinds.get(said, 0) + 1
        leaves.append(leaf)
    require(len(leaves) >= int(size) > 0, f"the log had {size} records when it was signed, here are {len(leaves)}")
    require(root_of(leaves[: int(size)]) == base64.b64decode(root), "the records are not those that were signed")
    return f"{size} of {len(leaves)} records are signed by {origin}: {json.dumps(kinds, sort_keys=True)}"


if __name__ == "__main__":
    try:
        print(check(*sys.argv[1:]))
    except Wrong as wrong:
        print("wrong:", wrong)
        sys.exit(1)
