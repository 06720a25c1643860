"""Who may approve a commit of a branch, and for how long an approval counts, in repositories made of signed parts."""

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.attestations.signed import Approver, decision, passkey, person, with_change
from tests.engine.scene import refused
from wfe_mcp.delivery.attestations.ref import add
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.engine.approvals.approvers import PinnedChain
from wfe_mcp.engine.integrity.branch_verification import verify_branch

ADA, BOB, LAPTOP = person("ada"), person("bob"), passkey("laptop")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDENTITY = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


@dataclass
class Repository:
    """A repository whose branch ``main`` names its approvers in the first commit. ``folder``: that of the project."""

    root: Path
    folder: str = ""
    chain: PinnedChain = field(default_factory=lambda: with_change(PinnedChain(), "add", ADA))
    minute: int = 0

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *IDENTITY, *words], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    @property
    def project(self) -> Path:
        return self.root / self.folder

    def commit(self, text: str, path: str = "app.py", chain: PinnedChain | None = None) -> str:
        """A commit in which ``path`` has ``text``; and the file of approvers ``chain``."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if chain is not None:
            (self.project / ".wfe").mkdir(parents=True, exist_ok=True)
            (self.project / ".wfe" / "approvers.json").write_text(chain.text, encoding="utf-8", newline="\n")
            self.chain = chain
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", text)
        return self.git("rev-parse", "HEAD")

    def decide(self, commit: str, by: Approver = ADA, chain: PinnedChain | None = None, **more: Any) -> None:
        """A decision on the files of ``commit``, a minute after the one before."""
        self.minute += 1
        ((tree, _),) = files_tree(self.root, [f"{commit}:{self.folder}"], "sha1")
        time = f"2026-11-22T12:{self.minute:02}:00+00:00"
        request = {"id": f"rq-{self.minute}", "seq": self.minute, "hash": "0" * 64}
        values = {"time": time, "request": request, "run": f"r-{self.minute}"} | more
        add(self.root, [(tree, decision(by, chain or self.chain, tree, **values))], NOW)

    def named(self, since: str = "") -> list[str]:
        """The codes of what is wrong with the branch."""
        return [one.code for one in verify_branch(self.project, "main", since).findings]


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "project")
    found.root.mkdir()
    found.git("init", "-q", "-b", "main")
    found.commit("zero", chain=found.chain)
    return found


def test_an_approver_counts_from_the_commit_after_the_one_that_adds_them(made: Repository) -> None:
    both = with_change(made.chain, "add", BOB, ADA)
    made.decide(made.commit("one", chain=both), BOB, both)
    assert made.named() == ["key_unknown"]
    made.decide("HEAD", ADA, with_change(PinnedChain(), "add", ADA))
    assert made.named() == []
    made.decide(made.commit("two"), BOB)
    assert made.named() == []


def test_an_approver_who_was_removed_approves_nothing_more(made: Repository) -> None:
    both = with_change(made.chain, "add", BOB, ADA)
    made.commit("zero", chain=both)
    made.commit("zero", chain=with_change(both, "remove", ADA, BOB))
    made.decide(made.commit("one"), ADA, both)
    assert made.named() == ["key_unknown"]


def test_a_passkey_approves_without_the_package_of_passkeys(made: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "webauthn", None)
    made.commit("zero", chain=with_change(made.chain, "add", LAPTOP, ADA))
    made.decide(made.commit("one"), LAPTOP)
    assert made.named() == []


def test_a_revert_of_an_unproven_commit_needs_no_decision(made: Repository) -> None:
    made.decide(made.commit("one"))
    made.commit("evil")
    made.commit("one")
    assert made.named() == ["proof_missing"]
    made.commit("zero")
    assert made.named() == ["proof_missing", "proof_missing"]


def test_a_revert_does_not_prove_the_commit_before_what_it_reverts(made: Repository) -> None:
    evil = made.commit("evil")
    made.decide(made.commit("two\n\nWfe-Run: r-1"))
    back = "evil\n\nWfe-Run: r-2"
    (made.root / "app.py").write_text("evil")
    made.git("commit", "-qam", back)
    made.decide("HEAD")
    found = verify_branch(made.root, "main")
    assert [(one.code, one.where) for one in found.findings] == [("proof_missing", f"{evil[:12]} evil")]
    assert [one.decision and one.decision.run for one in found.proven] == ["r-1", "r-2"]


def test_a_later_decision_of_the_run_replaces_an_earlier_one(made: Repository) -> None:
    first = made.commit("one")
    made.decide(first, run="r")
    assert made.named() == []
    made.git("checkout", "-q", "-b", "feature")
    second = made.commit("two")
    made.decide(second, run="r")
    made.git("checkout", "-q", "main")
    assert made.named() == ["proof_replaced"]
    made.git("merge", "-q", "--ff-only", "feature")
    assert made.named() == []


def test_a_rejection_replaces_the_approval_before_it(made: Repository) -> None:
    made.decide(made.commit("one"), run="r")
    made.decide("HEAD", run="r", kind="reject")
    assert made.named() == ["proof_replaced"]
    made.decide("HEAD", BOB, run="r", kind="reject", request={"id": "rq", "seq": 99, "hash": "0" * 64})
    assert made.named() == ["proof_replaced"]


def test_a_decision_of_another_key_replaces_nothing(made: Repository) -> None:
    made.decide(made.commit("one"), run="r")
    made.decide("HEAD", BOB, run="r", kind="reject")
    assert made.named() == []


@pytest.mark.parametrize(
    "other",
    [
        {"run": "r2"},
        {"decision": [{"do": "reject", "phase": "plan", "attempt": 1}]},
        {"request": {"id": "rq-0", "seq": 0, "hash": "0" * 64}},
        {"kind": "approve"},
    ],
    ids=["another run", "another phase", "before it", "of the same files"],
)
def test_what_does_not_take_an_approval_back_replaces_none(made: Repository, other: dict[str, Any]) -> None:
    made.decide(made.commit("one"), run="r")
    how: dict[str, Any] = {"run": "r", "kind": "reject", **other}
    made.decide("HEAD", **how)
    assert made.named() == []


def test_a_branch_without_approvers_is_named(made: Repository) -> None:
    made.git("checkout", "-q", "--orphan", "other")
    made.git("rm", "-q", "-r", "--cached", ".")
    (made.root / ".wfe" / "approvers.json").unlink()
    made.commit("alone")
    made.decide("HEAD")
    found = verify_branch(made.project, "other")
    assert [one.code for one in found.findings] == ["approvers_missing"]


def test_a_bare_repository_is_to_be_cloned_first(made: Repository, tmp_path: Path) -> None:
    made.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    no = refused(verify_branch, tmp_path / "bare.git", "main")
    assert (no.code, "git clone" in no.hint) == ("unavailable", True)


def test_a_project_in_a_folder_names_what_changes_beside_it(tmp_path: Path) -> None:
    made = Repository(tmp_path / "project", "service")
    (made.root / "service").mkdir(parents=True)
    made.git("init", "-q", "-b", "main")
    made.commit("zero", "service/app.py", made.chain)
    made.decide(made.commit("one", "service/app.py"))
    assert made.named() == []
    made.commit("beside", "other.txt")
    assert made.named() == ["outside_project"]


def test_what_is_no_attestation_breaks_nothing(made: Repository) -> None:
    made.decide(made.commit("one"))
    ((tree, _),) = files_tree(made.root, ["HEAD:"], "sha1")
    add(made.root, [(tree, b"\xff{"), (tree, b"{}\n"), (tree, b"[" * 100_000)], NOW)
    assert made.named() == []


def _place(**more: Any) -> list[dict[str, Any]]:
    return [{"do": "approve", "phase": "ship", "attempt": 1, "stage": "after", "gate": 0, "people": 2} | more]


ONE: dict[str, Any] = {"run": "r", "request": {"id": "rq-1", "seq": 7, "hash": "0" * 64}, "decision": _place()}


def test_an_approval_that_two_people_give_needs_two_approvers(made: Repository) -> None:
    both = with_change(with_change(made.chain, "add", BOB, ADA), "add", LAPTOP, ADA)
    made.commit("zero", chain=both)
    made.decide(made.commit("one"), ADA, **ONE)
    assert made.named() == ["people_missing"]
    (fault,) = verify_branch(made.project, "main").findings
    assert fault.message == "its files were approved, but 1 of 2 people approved: ada; one more person is needed"
    made.decide("HEAD", BOB, **ONE)
    assert made.named() == []


@pytest.mark.parametrize(
    "other",
    [
        {"request": {"id": "rq-2", "seq": 8, "hash": "0" * 64}},
        {"run": "r2"},
        {"artifact": "f" * 64},
        {"decision": _place(attempt=2)},
        {"decision": _place(people=1)},
    ],
    ids=["another request", "another run", "another revision", "another attempt", "a gate of one"],
)
def test_approvals_of_other_questions_do_not_add_up(made: Repository, other: dict[str, Any]) -> None:
    made.commit("zero", chain=with_change(made.chain, "add", BOB, ADA))
    made.decide(made.commit("one"), ADA, **ONE)
    made.decide("HEAD", BOB, **ONE | other)
    is_whole = other == {"decision": _place(people=1)}
    assert made.named() == ([] if is_whole else ["people_missing"])


@pytest.mark.attack("one person approves a commit with two keys, where two people are asked", "detected", "§7")
def test_two_keys_of_one_name_are_one_approver(made: Repository) -> None:
    phone = passkey("Ada ")
    made.commit("zero", chain=with_change(made.chain, "add", phone, ADA))
    made.decide(made.commit("one"), ADA, **ONE)
    made.decide("HEAD", phone, **ONE)
    assert made.named() == ["people_missing"]
