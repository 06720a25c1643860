"""wfe-mcp and two programs that share no code with it find the same in 1,000 bundles, whole and damaged."""

import json
import random
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.attestations.signed import (
    OTHER,
    TREE,
    Approver,
    base64,
    decided,
    decision,
    enveloped,
    line,
    passkey,
    person,
    resealed,
    said,
    with_change,
)
from tests.delivery.attestations.verifiers import ROOT, Found, chain_in, ours, programs, theirs
from wfe_mcp.core.canonical import signed_text
from wfe_mcp.delivery.attestations.envelope import DECISION, TEST_RESULT, VERIFIED, check_result, verdict_predicate
from wfe_mcp.engine.approvals.approvers import PinnedChain

SEED, MOST_LINES = 29, 150
ADA, BOB, EVE = person("ada"), person("bob"), person("eve")
LAPTOP, PHONE, DESK = passkey("laptop"), passkey("phone", "EdDSA"), passkey("desktop", "RS256")
BADGE = passkey("badge", origin="https://wfe.example")
"""Made at a server that people log in to."""
FIRST = with_change(PinnedChain(), "add", ADA)
SECOND = with_change(FIRST, "add", LAPTOP, ADA)
THIRD = with_change(with_change(SECOND, "add", BOB, LAPTOP), "remove", ADA, BOB)
LAST = with_change(with_change(with_change(THIRD, "add", PHONE, BOB), "add", DESK, PHONE), "add", BADGE, BOB)
CHAINS = (FIRST, SECOND, THIRD, LAST)
GOOD = len(CHAINS)


def envelopes(chain: PinnedChain) -> list[bytes]:
    """Everything that a bundle may hold, signed under ``chain`` and under what came before it."""
    by = [ADA, BOB, LAPTOP, PHONE, DESK, BADGE, EVE]
    made = [decision(each, head, tree) for each in by for head in (FIRST, chain) for tree in (TREE, OTHER)]
    made += [decision(ADA, FIRST, kind="reject"), decision(BOB, chain, decision=[])]
    made.append(decision(ADA, FIRST, time="yesterday"))
    made.append(enveloped(TEST_RESULT, check_result("check test", "7" * 64, "PASSED")))
    made.append(
        enveloped(VERIFIED, verdict_predicate("deed@1.0.0", "8" * 64, "2026-11-22T12:00:00Z", ["WFE_GATE_PASSED"]))
    )
    return made


def damaged(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """One envelope with one thing changed."""
    return dice.choice(DAMAGES)(dice, raw, others)


def flipped(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    del others
    at = dice.randrange(len(raw) - 1)
    return raw[:at] + bytes([dice.choice(b'"{}[]:,0Aa_-+/=\\ \xff')]) + raw[at + 1 :]


def other_part(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """The payload or the signature of another envelope."""
    document, name = json.loads(raw), dice.choice(["payload", "signatures", "payloadType"])
    other = json.loads(dice.choice(others))
    return line(document | {name: other[name] if name != "payloadType" else dice.choice(["", "application/json"])})


def other_keys(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    del others
    document = json.loads(raw)
    made = document["signatures"][0]
    return line(
        dice.choice(
            [
                document | {"more": 1},
                document | {"signatures": [made, made]},
                document | {"signatures": []},
                document | {"signatures": [made | {"cert": ""}]},
                document | {"signatures": [made | {"keyid": made["keyid"].replace("ed25519", "rsa")}]},
                {name: document[name] for name in ("payload", "signatures")},
                [document],
            ]
        )
    )


def respelled(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """The same bytes in another base64, or the same JSON with another beginning or end."""
    del others
    document = json.loads(raw)
    made = document["signatures"][0]
    sig: str = made["sig"]
    spelled = [sig.rstrip("="), sig.replace("+", "-").replace("/", "_"), f"{sig[:40]} {sig[40:]}", f"{sig}=", sig[:-3]]
    text = raw.decode().rstrip("\n")
    return dice.choice(
        [
            line(document | {"signatures": [made | {"sig": dice.choice(spelled)}]}),
            f" {text}\t\r\n".encode(),
            f"\ufeff{text}\n".encode(),
            f"{text}{{}}\n".encode(),
            text.replace('{"payload"', '{"payload":"AAAA","payload"', 1).encode(),
            text.replace('"payload"', '"x":NaN,"payload"', 1).encode(),
            raw[: dice.randrange(len(raw))],
        ]
    )


def other_statement(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """A statement that the server's key did sign, with another field."""
    statement = json.loads(b64decode(json.loads(raw)["payload"]))
    other = json.loads(b64decode(json.loads(dice.choice(others))["payload"]))
    subjects: list[Any] = [[], [{}], [{"digest": {"gitTree": 1}}], [{"digest": {"gitTree": OTHER}}], {"0": {}}, None]
    subject = dice.choice([*subjects, other["subject"]])
    predicates: list[Any] = [None, [], {}, "text"]
    return resealed(
        dice.choice(
            [
                statement | {"subject": subject},
                statement | {"predicateType": dice.choice([DECISION, TEST_RESULT, "", 1])},
                statement | {"predicate": other["predicate"]},
                statement | {"predicate": dice.choice(predicates)},
                statement | {"_type": "https://in-toto.io/Statement/v0.1"},
                statement | {"more": [1, {"a": None}]},
                [statement],
            ]
        )
    )


def other_decision(dice: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """A decision with another text, signature or key; the envelope is right."""
    del others
    approver, chain = dice.choice([ADA, BOB, LAPTOP, PHONE, EVE]), dice.choice([FIRST, SECOND, THIRD])
    predicate = decided(approver, chain)
    change: dict[str, Any] = dice.choice(
        [
            {"tree": OTHER},
            {"tree": f"{TREE}+{OTHER}"},
            {"tree": ""},
            {"kind": "skip"},
            {"approvers": ""},
            {"format": "wfe-decision/3"},
            {"time": "2026-11-22T12:00:00Z"},
            {"key": "passkey"},
            {"request": {}},
            {"decision": [{"phase": 1, "attempt": 1}]},
            {"decision": [{"phase": "send", "attempt": True}]},
            {"gates": {}},
            {"log": {}},
            {"target": {"head": "", "calls": []}},
            {"target": []},
            {"more": 1},
        ]
    )
    if dice.random() < 0.5:
        predicate = decided(approver, chain, **change)
    elif dice.random() < 0.5:
        predicate["statement"] = signed_text(said(approver, chain) | change)
    else:
        made = dice.choice([decided(each, chain)["signature"] for each in (ADA, LAPTOP, PHONE, BADGE)])
        damage = made[:-2] + "=!" if isinstance(made, str) else made | {dice.choice([*made]): "AAAA"}
        signatures: list[Any] = [made, damage, None, "", {}, [made]]
        predicate["signature"] = dice.choice(signatures)
    if dice.random() < 0.1:
        predicate = predicate | {"more": ""}
    return enveloped(DECISION, predicate)


DAMAGES: tuple[Callable[[random.Random, bytes, list[bytes]], bytes], ...] = (
    flipped,
    other_part,
    other_keys,
    respelled,
    other_statement,
    other_decision,
)


def bad_files(dice: random.Random) -> list[bytes]:
    """Files of approvers that are no chain, or a shorter one."""
    text = LAST.text
    document = json.loads(text)
    del document["changes"][1]["signed_by"]
    at = dice.randrange(len(text))
    spelled = [
        json.dumps(document, indent=2, sort_keys=True) + "\n",
        json.dumps(json.loads(text)),
        text.replace("bob", "b0b"),
        text.replace(
            "https://wfe.example", dice.choice(["https://wfe.example:8443", "https://wfe.example/", "localhost"])
        ),
    ]
    return [each.encode() for each in (*spelled, text[:at], text.replace("\n", "\r\n"))]


def bundle(dice: random.Random, made: list[bytes]) -> bytes:
    chosen = dice.sample(made, dice.randint(1, 4))
    lines = [damaged(dice, each, made) if dice.random() < 0.6 else each for each in chosen]
    return b"".join(each if each.endswith(b"\n") else each + b"\n" for each in lines) + dice.choice([b"", b"\n", b"{}"])


@pytest.mark.parametrize("bundles", [100, 1000])
def test_three_verifiers_find_the_same(tmp_path: Path, bundles: int) -> None:
    dice, proven = random.Random(SEED), 0
    files = [each.text.encode() for each in CHAINS] + bad_files(dice)
    chosen = dice.choices(range(len(files)), [8] * GOOD + [1] * (len(files) - GOOD), k=bundles)
    for number, approvers in enumerate(files):
        made = envelopes(CHAINS[number] if number < GOOD else LAST)
        folder = tmp_path / str(number)
        folder.mkdir()
        file = folder / "approvers.json"
        file.write_bytes(approvers)
        expected: dict[str, Found] = {}
        for each in (each for each, of in enumerate(chosen) if of == number):
            raw, name = bundle(dice, made), f"{each:04}.intoto.jsonl"
            (folder / name).write_bytes(raw)
            expected[name] = ours(approvers, raw)
        proven += sum(bool(each["decisions"]) for each in expected.values())
        for program in programs():
            found = theirs(program, folder, file)
            assert {name: each for name, each in found.items() if each != expected[name]} == {}, (number, program)
    assert bundles // 10 < proven < bundles


def test_nothing_given_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "approvers.json"
    file.write_bytes(LAST.text.encode())
    for program in programs():
        for words in ([], [str(file), TREE]):
            assert subprocess.run([*program, *words], capture_output=True, check=False).returncode == 1, (
                program,
                words,
            )


def test_a_bundle_does_not_hide_one_of_the_same_name(tmp_path: Path) -> None:
    file, good, bad = (tmp_path / name for name in ("approvers.json", "a/one.jsonl", "b/one.jsonl"))
    file.write_bytes(LAST.text.encode())
    for place, content in ((good, decision(BOB, LAST)), (bad, b"nothing\n")):
        place.parent.mkdir()
        place.write_bytes(content)
    for program in programs():
        for names in ((bad, good), (good, bad)):
            words = [*program, str(file), TREE, *map(str, names)]
            assert subprocess.run(words, capture_output=True, check=False).returncode == 1, program


@pytest.mark.parametrize("name", ["verify_attestations.py", "verify_attestations.mjs"])
def test_a_second_verifier_is_short_and_shares_no_code(name: str) -> None:
    text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < MOST_LINES
    assert "wfe_mcp" not in text


def test_each_kind_of_key_proves_a_decision_to_all_three(tmp_path: Path) -> None:
    file, bundles = tmp_path / "approvers.json", tmp_path / "whole.intoto.jsonl"
    file.write_bytes(LAST.text.encode())
    bundles.write_bytes(b"".join(decision(each, LAST) for each in (BOB, LAPTOP, PHONE, DESK, BADGE, ADA, EVE)))
    found = [ours(file.read_bytes(), bundles.read_bytes())]
    found += [theirs(program, tmp_path, file)[bundles.name] for program in programs()]
    assert [sorted(one[3] for one in each["decisions"]) for each in found] == [
        ["badge", "bob", "desktop", "laptop", "phone"]
    ] * len(found)


@pytest.mark.attack("a decision that another key signed is put under the name of a pinned one", "detected", "T1; T11")
def test_a_decision_that_another_key_signed_is_none_to_all_three(tmp_path: Path) -> None:
    file, bundles = tmp_path / "approvers.json", tmp_path / "forged.intoto.jsonl"
    file.write_bytes(LAST.text.encode())
    others = (person("robot"), passkey("robot"), passkey("robot", "EdDSA"), passkey("robot", "RS256"))
    forged = [Approver(of.key, by.sign) for of, by in zip((BOB, LAPTOP, PHONE, DESK), others, strict=True)]
    bundles.write_bytes(b"".join(decision(each, LAST) for each in forged))
    found = [ours(file.read_bytes(), bundles.read_bytes())]
    found += [theirs(program, tmp_path, file)[bundles.name] for program in programs()]
    assert [each["decisions"] for each in found] == [[]] * len(found)


@pytest.mark.attack(
    "what a pinned passkey signed without the person, or for another purpose, counts", "detected", "T1; T11"
)
def test_a_passkeys_signature_for_anything_else_is_none_to_all_three(tmp_path: Path) -> None:
    file, bundles = tmp_path / "approvers.json", tmp_path / "odd.intoto.jsonl"
    unknown = Approver(LAPTOP.key.model_copy(update={"id": "b2Rk", "public_key": "b2Rk"}), LAPTOP.sign)
    chain = with_change(LAST, "add", unknown, BOB)
    file.write_bytes(chain.text.encode())
    odd: list[tuple[Approver, dict[str, Any]]] = [
        (unknown, {}),
        *((LAPTOP, {"flags": flags}) for flags in (0, 1, 4)),
        (LAPTOP, {"type": "webauthn.create"}),
        (LAPTOP, {"challenge": "A" * 43}),
        (LAPTOP, {"party": "wfe.example"}),
        (LAPTOP, {"count": bytes(3)}),
    ]
    bundles.write_bytes(b"".join(_decided(by, chain, **how) for by, how in odd) + decision(BOB, chain))
    found = [ours(file.read_bytes(), bundles.read_bytes())]
    found += [theirs(program, tmp_path, file)[bundles.name] for program in programs()]
    assert [[one[3] for one in each["decisions"]] for each in found] == [["bob"]] * len(found)


def _decided(by: Approver, chain: PinnedChain, **how: Any) -> bytes:
    text = signed_text(said(by, chain))
    return enveloped(DECISION, {"statement": text, "signature": by.signature(text, **how)})


@pytest.mark.attack("a passkey's signature made at another site counts as one of the server's", "held", "T1")
@pytest.mark.parametrize(
    ("key", "origin", "holds"),
    [
        (BADGE, "https://wfe.example", True),
        (BADGE, "https://wfe.example:8443", False),
        (BADGE, "http://wfe.example", False),
        (BADGE, "http://localhost:7333", False),
        (LAPTOP, "http://localhost:1", True),
        (LAPTOP, "https://wfe.example", False),
    ],
)
def test_a_key_signs_at_its_own_site_alone(tmp_path: Path, key: Approver, origin: str, holds: bool) -> None:
    file, bundles = tmp_path / "approvers.json", tmp_path / "one.intoto.jsonl"
    file.write_bytes(LAST.text.encode())
    bundles.write_bytes(_decided(key, LAST, origin=origin))
    found = [ours(file.read_bytes(), bundles.read_bytes())]
    found += [theirs(program, tmp_path, file)[bundles.name] for program in programs()]
    assert [bool(each["decisions"]) for each in found] == [holds] * len(found)


def test_a_key_that_a_pin_unlocks_belongs_to_no_site() -> None:
    """Else the same key would be pinned twice, and one of the three would count it."""
    odd = Approver(ADA.key.model_copy(update={"origin": "https://wfe.example"}), ADA.sign)
    raw = with_change(with_change(PinnedChain(), "add", BOB), "add", odd, BOB).text.encode()
    assert chain_in(raw) == PinnedChain()


def test_an_envelope_is_signed_as_dsse_says() -> None:
    """The vector of the DSSE specification, protocol.md."""
    from wfe_mcp.delivery.attestations.envelope import pae

    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert base64(b"hello world") == "aGVsbG8gd29ybGQ="
