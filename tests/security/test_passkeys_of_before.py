"""What passkeys signed before one statement had two kinds of keys (ADR 0039) is proven as it was, and forgeries are found."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.dashboard.browser import Browser, asked
from tests.dashboard.soft_key import Signer, SoftKey
from tests.engine.scene import Clock, Scene, environment
from tests.security.forger import Forger, found
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.integrity.proof_verification import verify_approvals
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.store import Store
from wfe_mcp.views.approvals.approvers import approvers_path

ARCHIVE = Path(__file__).parent / "fixtures" / "passkeys-0019.tar.gz"
PLACE = "/tmp/wfe-passkeys/project"
MOVES = (
    "UPDATE project SET key = replace(key, '{was}', '{now}'), root = replace(root, '{was}', '{now}')",
    "UPDATE run SET worktree = replace(worktree, '{was}', '{now}')",
)


@dataclass
class Before:
    """The database and project of the archive, and its runs by what became of them."""

    scene: Scene
    forger: Forger
    key: SoftKey
    runs: dict[str, str]

    def codes(self) -> list[tuple[str, str]]:
        return [(one.code, one.message) for one in found(self.scene)]


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Before]:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    url = f"sqlite:///{tmp_path / 'wfe.db'}"
    clock = Clock()
    clock.advance(days=1)
    Store.open(url, clock=clock).close()
    forger = Forger(url)
    forger.do(*(move.format(was=PLACE, now=tmp_path / "project") for move in MOVES))
    secret = load_pem_private_key((tmp_path / "laptop.pem").read_bytes(), None)
    assert isinstance(secret, EllipticCurvePrivateKey)
    key = SoftKey("laptop", secret, b"0123456789abcdef")
    scene = Scene(tmp_path / "project", Store.open(url, clock=clock), clock, environment(tmp_path))
    yield Before(scene, forger, key, json.loads((tmp_path / "runs.json").read_text()))
    scene.close()


def test_every_decision_is_proven(before: Before) -> None:
    assert before.codes() == []
    assert sum(verify(before.scene.engine).decisions.signed.values()) > 0


def test_the_repository_alone_proves_the_approvals(before: Before) -> None:
    answer = verify_approvals(before.scene.root, require=["docs/plan.md"])
    assert answer.findings == ()
    assert {one.run for one in answer.approvals} == {
        before.runs["approved"],
        before.runs["approved before what was shown was signed"],
    }
    (before.scene.root / "docs/plan.md").write_text("Something else.\n")
    assert [one.code for one in verify_approvals(before.scene.root).findings] == ["artifact_changed"]


@pytest.mark.parametrize("field", ["comment", "tree", "sha256"])
def test_a_proof_that_was_edited_in_the_repository_proves_nothing(before: Before, field: str) -> None:
    (file,) = (before.scene.root / ".wfe/approvals" / before.runs["approved"]).rglob("*.json")
    proof = json.loads(file.read_text())
    proof["statement"][field] = "0" * 64
    file.write_text(json.dumps(proof, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    answer = verify_approvals(before.scene.root, require=["docs/plan.md"])
    assert "signature_wrong" in [one.code for one in answer.findings]
    assert [one.run for one in answer.approvals] == [before.runs["approved before what was shown was signed"]]


@pytest.mark.attack("what a passkey signed in the earlier form is exchanged in the database", "detected", "T1")
@pytest.mark.parametrize(
    ("run", "code"),
    [
        ("approved", "approval_unproven"),
        ("approved before what was shown was signed", "approval_unproven"),
        ("rejected", "rejection_unproven"),
        ("sent back", "rejection_unproven"),
    ],
)
def test_what_was_signed_and_is_exchanged_in_the_database_is_found(before: Before, run: str, code: str) -> None:
    ((data,),) = before.forger.read(
        f"SELECT data FROM request WHERE run_id = '{before.runs[run]}' AND data LIKE '%proof%'"
    )
    sha256 = json.loads(data)["proof"]
    ((text,),) = before.forger.read(f"SELECT content FROM document WHERE sha256 = '{sha256}'")
    kept = json.loads(text)
    kept["statement"]["nonce"] = "another"
    before.forger.do(f"UPDATE document SET content = '{json.dumps(kept)}' WHERE sha256 = '{sha256}'")
    assert code in [code for code, _ in before.codes()]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"proof": ""}, "nothing that a passkey signed is kept"),
        ({"sha256": "0" * 64}, "what was signed is another decision"),
    ],
)
def test_an_approval_that_names_no_proof_or_another_is_found(before: Before, change: dict[str, str], why: str) -> None:
    run = before.runs["approved"]
    of_run = f"WHERE run_id = '{run}' AND type = 'ApprovalGiven'"
    ((payload,),) = before.forger.read(f"SELECT payload FROM event {of_run}")
    forged = json.dumps(json.loads(payload) | change, sort_keys=True, separators=(",", ":"))
    # As if the PIN had been enough: the gate says otherwise.
    before.forger.rewrite(run, f"UPDATE event SET payload = '{forged}', channel = 'cli', assurance = 2 {of_run}")
    assert any(code == "approval_unproven" and why in message for code, message in before.codes())


@pytest.mark.parametrize("run", ["rejected", "sent back"])
def test_a_rejection_whose_words_were_changed_is_found(before: Before, run: str) -> None:
    before.forger.rewrite(
        before.runs[run],
        "UPDATE event SET payload = replace(payload, 'say more', 'drop the tests')"
        f" WHERE assurance = 3 AND run_id = '{before.runs[run]}'",
    )
    assert ("rejection_unproven", "what was signed is another decision") in before.codes()


def test_the_same_passkey_signs_the_next_decision(before: Before) -> None:
    scene, run = before.scene, before.runs["waits"]
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        person = Signer(Browser(page.port), "/" + approvers_path(scene.engine))
        assert person.decide(before.key, asked(scene, run)).status == 200
    assert scene.attempt(run, "plan").status == "completed"
    assert before.codes() == []
    assert verify_approvals(scene.root, run).findings == ()
