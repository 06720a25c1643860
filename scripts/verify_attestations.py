"""Verifies bundles of attestations without wfe-mcp, with Python and the package ``cryptography`` alone.

python verify_attestations.py APPROVERS TREE BUNDLE...   APPROVERS: .wfe/approvers.json of the base; TREE: of the files without .wfe/;
BUNDLE: envelopes, one a line. Prints the decisions that count as JSON; exit 1 without a bundle, or where one has no approval of TREE.
"""

import json
import re
import sys
from base64 import b64decode, b64encode, urlsafe_b64decode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

DECISION = "https://wfe-mcp.invalid/attestation/person-decision/v1"
PAYLOAD, ORIGIN = "application/vnd.in-toto+json", "https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?"
TEXTS = ("format", "kind", "project", "run", "shown", "artifact", "tree", "comment", "approvers", "time", "key")
FIELDS = dict.fromkeys(TEXTS, str) | {"request": dict, "files": dict, "log": dict, "gates": list, "decision": list}
ES256 = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
EDDSA = re.compile(rb"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20(.{32})", re.DOTALL)
WRONG = (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidSignature)
LOAD = json.JSONDecoder(parse_constant=().index).decode  # nothing is in (), so NaN is an error
RS256 = re.compile(rb"\A\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00(.{256})\x21\x43(.{3})\Z", re.DOTALL)


def need(holds: object) -> None:
    if not holds:
        raise ValueError


def url64(text: str) -> bytes:
    need(re.fullmatch("[A-Za-z0-9_-]*", text))
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def strict64(text: str) -> bytes:
    found = b64decode(text.replace("-", "+").replace("_", "/").encode("ascii"), validate=True)
    need(b64encode(found).decode() == text.replace("-", "+").replace("_", "/"))
    return found


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(made: Any, text: bytes, key: Any) -> None:
    if "kind" in key:  # a person's; else a passkey's answer
        ed25519.Ed25519PublicKey.from_public_bytes(url64(key["public_key"])).verify(url64(made), text)
        return
    need(made.keys() == {"id", "client_data", "authenticator_data", "signature"} and made["id"] == key["id"])
    said, seen, signature = (url64(made[name]) for name in ("client_data", "authenticator_data", "signature"))
    client, data, raw = LOAD(said.decode()), seen + sha256(said).digest(), url64(key["public_key"])
    need(re.fullmatch(re.escape(key["origin"]) if "origin" in key else "http://localhost:[0-9]{1,5}", client["origin"]))
    need(client["challenge"].rstrip("=") == b64encode(sha256(text).digest(), b"-_").decode().rstrip("="))
    need(seen[:32] == sha256(client["origin"].split("/")[2].split(":")[0].encode()).digest())
    need(len(seen) > 36 and seen[32] & 5 == 5 and client["type"] == "webauthn.get")
    if found := ES256.fullmatch(raw):
        point = ec.EllipticCurvePublicNumbers(int.from_bytes(found[1]), int.from_bytes(found[2]), ec.SECP256R1())
        point.public_key().verify(signature, data, ec.ECDSA(SHA256()))
    elif found := EDDSA.fullmatch(raw):
        ed25519.Ed25519PublicKey.from_public_bytes(found[1]).verify(signature, data)
    else:
        n, e = (int.from_bytes(each) for found in RS256.finditer(raw) for each in found.groups())
        rsa.RSAPublicNumbers(e, n).public_key().verify(signature, data, padding.PKCS1v15(), SHA256())


def chain(raw: bytes) -> dict[str, dict[str, Any]]:
    """The keys in force after each change, by the sha256 of the chain until then; "" names those of now."""
    document, keys, heads, head = LOAD(raw.decode()), dict[str, Any](), dict[str, Any](), sha256(b"[]").hexdigest()
    need(document.keys() == {"format", "changes"} and document["format"] == "wfe-approvers/1" and document["changes"])
    spelled = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    need(raw.replace(b"\r\n", b"\n") == spelled.encode())
    for number, change in enumerate(document["changes"], 1):
        key, do, at = change["key"], change["do"], change["at"]
        name, made = key["id"], {each: change[each] for each in ("signature", "assertion") if each in change}
        need(change.keys() - made.keys() - {"signed_by"} == {"do", "key", "at"} and isinstance(at, str))
        need(key.keys() - {"kind", "origin"} == {"id", "name", "public_key"} and key.get("kind", "person") == "person")
        need(re.fullmatch(r"[^\x00-\x1f\x7f]{1,64}", key["name"]) and url64(name) and url64(key["public_key"]))
        need((do == "add" and name not in keys) or (do == "remove" and len(keys) > 1 and keys[name] == key))
        need("kind" not in key or sha256(url64(key["public_key"])).hexdigest() == name)
        need({"kind", "origin"} - key.keys() and re.fullmatch(ORIGIN, key.get("origin", "http://h")))
        need(number > 1 or not (made or "signed_by" in change))
        if number > 1:
            signer = keys[change["signed_by"]]
            need(made.keys() == {"signature" if "kind" in signer else "assertion"})
            what = {"format": "wfe-approvers/1", "change": number, "before": head, "do": do, "key": key, "at": at}
            check(next(iter(made.values())), canonical(what), signer)
        keys = keys | {name: key} if do == "add" else {each: keys[each] for each in keys if each != name}
        head = sha256(canonical(document["changes"][:number])).hexdigest()
        heads[head] = heads[""] = keys
    return heads


def envelope(raw: bytes) -> tuple[str, Any, list[str]]:
    document = LOAD(raw.decode())
    (made,) = document["signatures"]
    need(document.keys() == {"payload", "payloadType", "signatures"} and made.keys() == {"keyid", "sig"})
    need(document["payloadType"] == PAYLOAD and re.fullmatch("ed25519:[A-Za-z0-9_-]{43}", made["keyid"]))
    payload, public = strict64(document["payload"]), strict64(made["keyid"][8:] + "=")
    pae = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    ed25519.Ed25519PublicKey.from_public_bytes(public).verify(strict64(made["sig"]), pae)
    found = LOAD(payload.decode())
    need(found["_type"] == "https://in-toto.io/Statement/v1" and isinstance(found["predicate"], dict))
    need(isinstance(found["subject"], list) and isinstance(found["predicateType"], str))
    pairs = [pair for each in found["subject"] for pair in each["digest"].items()]
    need(all(isinstance(value, str) for _, value in pairs))
    return found["predicateType"], found["predicate"], [value for name, value in pairs if name == "gitTree"]


def decision(predicate: Any, trees: list[str], heads: Any) -> list[str]:
    """The sha256 of what a person signed, what they decided, on which tree, and their name."""
    need(predicate.keys() == {"statement", "signature"})
    text, made = predicate["statement"].encode(), predicate["signature"]
    said, is_person = LOAD(text.decode()), isinstance(made, str)
    need(said.keys() - {"target"} == FIELDS.keys() and isinstance(said.get("target", {}), dict))
    need(all(isinstance(said[name], kind) for name, kind in FIELDS.items()))
    need(said["format"] in {"wfe-decision/1", "wfe-decision/2"} and said["kind"] in {"approve", "reject"})
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", said["time"], re.ASCII))
    one, tree, places = said["decision"][0], said["tree"].split("+")[0], [said["request"], said["log"]]
    need(all(type(at["seq"]) is int and at["seq"] >= 0 and "hash" in at for at in places if at or is_person))
    need(isinstance(one["phase"], str) and type(one["attempt"]) is int and said["request"] and tree and tree in trees)
    key = heads[said["approvers"] or None][said["key"] if is_person else made["id"]]
    need(heads[""][key["id"]] == key and ("kind" in key) == is_person == (said["key"] != "passkey"))
    check(made, text, key)
    return [sha256(text).hexdigest(), said["kind"], tree, key["name"]]


def verify(heads: dict[str, Any], bundle: bytes) -> dict[str, Any]:
    decisions, statements = set[tuple[str, ...]](), 0
    for raw in filter(None, bundle.split(b"\n")):
        with suppress(*WRONG):
            kind, predicate, trees = envelope(raw)
            statements += kind != DECISION
            decisions |= {tuple(decision(predicate, trees, heads))} if kind == DECISION else set()
    return {"decisions": sorted(map(list, decisions)), "statements": statements}


if __name__ == "__main__":
    approvers: dict[str, Any] = {}
    with suppress(*WRONG):  # no key of a file that is no chain counts
        approvers = chain(Path(sys.argv[1]).read_bytes())
    found = {name: verify(approvers, Path(name).read_bytes()) for name in sys.argv[3:]}
    print(json.dumps(found, sort_keys=True))
    sys.exit(not found or not all(["approve", sys.argv[2]] in [x[1:3] for x in d["decisions"]] for d in found.values()))
