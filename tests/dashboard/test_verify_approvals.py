"""``verify --approvals`` proves from the repository alone that a pinned key signed each approval."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from webauthn.helpers import bytes_to_base64url as text

from tests.dashboard.browser import Browser, asked
from tests.dashboard.soft_key import Signer, SoftKey
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.engine.approvals.approvers import APPROVERS
from wfe_mcp.engine.approvals.passkeys import Assertion, challenge
from wfe_mcp.engine.approvals.proof_files import APPROVALS
from wfe_mcp.views.approvals.approvers import approvers_path

DOC = {"artifact": "doc", "schema": "markdown_doc@1", "write_to": "docs/plan.md", "editable": True}


@pytest.fixture
def key() -> SoftKey:
    return SoftKey("laptop")


@pytest.fixture
def person(scene: Scene, browser: Browser, key: SoftKey) -> Signer:
    made = Signer(browser, "/" + approvers_path(scene.engine))
    assert made.pin(key).status == 200
    return made


def approved(scene: Scene, person: Signer, key: SoftKey, body: str = "Do it.\n") -> str:
    """A run whose document a person has signed; it is committed."""
    run = scene.start(phase("doc", approval("passkey"), output=DOC))
    scene.do(run, "doc", {"front": {}, "body": body})
    assert person.decide(key, asked(scene, run, "doc")).status == 200
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "approved")
    scene.clock.advance(minutes=1)
    return run


def verified(root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """What CI says of a clone: no database, no configuration of ours, a home that is empty."""
    argv = [sys.executable, "-m", "wfe_mcp", "verify", "--approvals", *words, "--json"]
    wanted = ("PATH", "PYTHONPATH", "SYSTEMROOT")
    kept = {name: value for name, value in os.environ.items() if name in wanted}
    env = {**kept, "HOME": str(root / "nobody"), "WFE_DATABASE_URL": "sqlite:////no/such/folder/wfe.db"}
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def clone(scene: Scene) -> Path:
    scene.git("add", "-A")
    scene.git("commit", "-q", "--allow-empty", "-m", "now")
    there = scene.root.parent / "clone"
    scene.git("clone", "-q", str(scene.root), str(there))
    return there


def codes(found: dict[str, Any]) -> list[str]:
    return [one["code"] for one in found["data"]["problems"]]


def changed(file: Path, **change: object) -> None:
    """Someone edits the statement of a proof, spelled as we would."""
    proof = json.loads(file.read_text(encoding="utf-8"))
    proof["statement"] |= change
    file.write_text(json.dumps(proof, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def the_proof(root: Path) -> Path:
    (file,) = (root / APPROVALS).rglob("*.json")
    return file


def test_what_was_signed_is_proven_in_a_clone_without_a_database(scene: Scene, person: Signer, key: SoftKey) -> None:
    run = approved(scene, person, key)
    code, found = verified(clone(scene), "--require", "docs/plan.md")
    assert (code, found["ok"]) == (0, True)
    (one,) = found["data"]["approvals"]
    assert (one["run"], one["phase"], one["key"], one["files"]) == (run, "doc", "laptop", ["docs/plan.md"])


@pytest.mark.attack("the artifact is changed after it was signed, before the merge", "detected", "T1")
def test_a_changed_artifact_is_found(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    there = clone(scene)
    (there / "docs/plan.md").write_text("Do something else.\n", encoding="utf-8")
    code, found = verified(there)
    assert (code, codes(found)) == (1, ["artifact_changed"])
    assert found["data"]["problems"][0]["where"] == "docs/plan.md"
    (there / "docs/plan.md").unlink()
    assert codes(verified(there)[1]) == ["artifact_missing"]
    (there / "docs/plan.md").symlink_to(there / "app.py")
    assert codes(verified(there)[1]) == ["artifact_changed"]


def test_line_ends_of_another_system_are_no_change(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    there = clone(scene)
    for file in (there / "docs/plan.md", there / APPROVERS, the_proof(there)):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert verified(there)[0] == 0


@pytest.mark.attack("a proof is made up, or another one is edited to fit", "detected", "T1")
def test_a_proof_that_no_one_signed_is_found(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    there = clone(scene)
    file = the_proof(there)
    good = file.read_text(encoding="utf-8")
    changed(file, files={"docs/plan.md": "0" * 64})
    code, found = verified(there, "--require", "docs/plan.md")
    assert (code, codes(found)) == (1, ["signature_wrong", "proof_missing"])
    changed(file, approvers="0" * 64)
    assert codes(verified(there)[1]) == ["key_unknown"]
    for broken in ("{", "{}", good.replace("\n", "\n "), good.replace('"approve"', '"reject"')):
        file.write_text(broken, encoding="utf-8")
        assert codes(verified(there)[1]) == ["proof_unreadable"]
    file.rename(file.with_name("2-rq-0.json"))
    (there / APPROVALS / "x.json").write_text(good, encoding="utf-8")
    assert codes(verified(there)[1]) == ["proof_unreadable", "proof_unreadable"]


def test_a_signature_that_was_made_for_another_place_proves_nothing(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    there = clone(scene)
    proof = json.loads(the_proof(there).read_text(encoding="utf-8"))
    question = {"challenge": text(challenge(proof["statement"]))}
    for origin in ("https://example.org", "http://localhost:7333.example.org"):
        made = Assertion.of_browser(json.loads(key.get(question, origin)))
        proof["signature"] = made.model_dump()
        the_proof(there).write_text(json.dumps(proof, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        code, found = verified(there)
        assert (code, codes(found)) == (1, ["signature_wrong"])
        assert "not at http://localhost" in found["data"]["problems"][0]["message"]


@pytest.mark.attack(
    "a proof has all that a passkey gives, in the name of the pinned one, by another key", "detected", "T1"
)
def test_a_proof_that_another_key_signed_in_the_name_of_the_pinned_one_is_found(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    approved(scene, person, key)
    there = clone(scene)
    proof = json.loads(the_proof(there).read_text(encoding="utf-8"))
    question = {"challenge": text(challenge(proof["statement"]))}
    made = Assertion.of_browser(json.loads(SoftKey("robot", id=key.id).get(question, "http://localhost:7333")))
    assert made.id == proof["signature"]["id"]
    proof["signature"] = made.model_dump()
    the_proof(there).write_text(json.dumps(proof, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    code, found = verified(there)
    assert (code, codes(found)) == (1, ["signature_wrong"])
    assert "it is not by this key" in found["data"]["problems"][0]["message"]


def test_a_proof_by_a_key_that_was_not_pinned_then_is_found(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    phone = SoftKey("phone")
    person.pin(phone, by=key)
    there = clone(scene)
    proof = json.loads(the_proof(there).read_text(encoding="utf-8"))
    robot = SoftKey("robot")
    proof["signature"]["id"] = json.loads(robot.get({"challenge": "AAAA"}, "http://localhost:1"))["id"]
    the_proof(there).write_text(json.dumps(proof, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    code, found = verified(there)
    assert (code, codes(found)) == (1, ["key_unknown"])
    assert "not pinned then" in found["data"]["problems"][0]["message"]


@pytest.mark.attack("a key is added to the repository without a signature, and signs", "detected", "T1")
def test_keys_that_no_one_pinned_are_found(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    there = clone(scene)
    file = json.loads((there / APPROVERS).read_text(encoding="utf-8"))
    robot = json.loads(json.dumps(file["changes"][0]))
    robot["key"] |= {"id": "AAAA", "name": "robot"}
    file["changes"].append(robot)
    (there / APPROVERS).write_text(json.dumps(file, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    code, found = verified(there, "--require", "docs/plan.md")
    assert (code, codes(found)) == (1, ["approvers_void", "key_unknown", "proof_missing"])


def test_a_proof_outlives_the_key_that_signed_it(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    phone = SoftKey("phone")
    person.pin(phone, by=key)
    person.remove(key, by=phone)
    code, found = verified(clone(scene))
    assert (code, [one["name"] for one in found["data"]["keys"]]) == (0, ["phone"])


def test_the_newest_approval_of_a_file_counts(scene: Scene, person: Signer, key: SoftKey) -> None:
    first = approved(scene, person, key)
    old = (scene.root / "docs/plan.md").read_text(encoding="utf-8")
    second = approved(scene, person, key, "Do it twice.\n")
    there = clone(scene)
    assert verified(there)[0] == 0
    assert [one["run"] for one in verified(there, first)[1]["data"]["approvals"]] == [first]
    (there / "docs/plan.md").write_text(old, encoding="utf-8")
    assert codes(verified(there)[1]) == ["artifact_changed"], "going back to what was approved before is a change too"
    assert verified(there, first)[0] == 0
    assert codes(verified(there, second)[1]) == ["artifact_changed"]
    assert verified(there, "r-none")[1]["error"]["code"] == "unknown_run"


@pytest.mark.attack("the keys in the repository are exchanged together with the proofs", "detected", "T1")
def test_keys_and_proofs_of_the_base_are_believed(scene: Scene, person: Signer, key: SoftKey, tmp_path: Path) -> None:
    approved(scene, person, key)
    scene.git("branch", "begin")
    there = clone(scene)
    assert verified(there, "--base", "origin/begin")[0] == 0
    mine = (there / APPROVERS).read_text(encoding="utf-8")
    (there / APPROVERS).write_text(mine.replace('"laptop"', '"robot"'), encoding="utf-8")
    assert codes(verified(there)[1]) == ["key_unknown"]
    assert codes(verified(there, "--base", "origin/begin")[1]) == ["approvers_rewritten", "key_unknown"]
    (there / APPROVERS).unlink()
    the_proof(there).unlink()
    assert verified(there)[0] == 0, "nobody can see from here that there ever was a proof"
    keyless = scene.git("-C", str(there), "commit-tree", "-m", "x", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    scene.git("-C", str(there), "tag", "origin/begin", keyless.strip())
    assert codes(verified(there, "--base", "origin/begin")[1]) == ["approvers_rewritten", "proof_deleted"]
    assert codes(verified(there, "--require", "docs/plan.md")[1]) == ["proof_missing"]
    assert verified(there, "--base", "no-such")[1]["error"]["code"] == "bad_argument"


def test_a_key_that_the_base_has_taken_out_signs_nothing_new(scene: Scene, person: Signer, key: SoftKey) -> None:
    approved(scene, person, key)
    late = approved(scene, person, key, "Late.\n")
    phone = SoftKey("phone")
    person.pin(phone, by=key)
    person.remove(key, by=phone)
    kept = {file: file.read_bytes() for file in (scene.root / APPROVALS / late).rglob("*.json")}
    for file in kept:
        file.unlink()
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "begin")
    scene.git("branch", "begin")
    for file, raw in kept.items():
        file.write_bytes(raw)
    code, found = verified(clone(scene), "--base", "origin/begin")
    assert (code, "key_removed" in codes(found)) == (1, True)


def test_an_edit_that_was_approved_is_what_is_in_the_project(scene: Scene, person: Signer, key: SoftKey) -> None:
    run = scene.start(phase("doc", approval("passkey"), output=DOC))
    scene.do(run, "doc", {"front": {}, "body": "Do it.\n"})
    request = asked(scene, run, "doc")
    scene.mirror(run, "doc", 1, "artifact.md").write_text("Do it better.\n", encoding="utf-8")
    assert person.decide(key, request).status == 409
    assert person.decide(key, asked(scene, run, "doc")).status == 200
    assert (scene.root / "docs/plan.md").read_text(encoding="utf-8") == "Do it better.\n"
    assert verified(clone(scene), "--require", "docs/plan.md")[0] == 0


def test_where_nothing_is_signed_nothing_is_wrong(scene: Scene) -> None:
    code, found = verified(scene.root)
    assert (code, found["data"]["approvals"]) == (0, [])
    assert "No key is pinned" in found["data"]["notes"][0]
