"""``verify --branch`` names every commit of a branch that no approver of its parent decided on, from a clone alone."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.delivered import Delivery, delivered, forge_signature, git, move_bundle
from tests.cli.scene import Terminal
from wfe_mcp.delivery.attestations.ref import REF
from wfe_mcp.engine.integrity.branch_verification import FETCH


@pytest.fixture
def delivery(cli: Terminal) -> Delivery:
    start, run, commit = delivered(cli)
    return Delivery(cli, start, run, commit)


def test_an_approved_and_attested_commit_is_proven_in_a_clone(delivery: Delivery) -> None:
    found = delivery.verify()
    assert (found.code, found.data["problems"]) == (0, [])
    (one,) = found.data["proven"]
    assert (one["commit"], one["run"], one["phase"], one["key"]) == (delivery.commit, delivery.first, "sign", "ada")
    assert one["statements"] == 2


def test_a_clone_needs_no_database_and_makes_none(delivery: Delivery) -> None:
    there = delivery.clone()
    home = there.parent / "nobody"
    argv = [sys.executable, "-m", "wfe_mcp", "verify", "--branch", "main", "--json"]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT")}
    env = kept | {"HOME": str(home), "WFE_DATABASE_URL": f"sqlite:///{home.as_posix()}/wfe.db"}
    done = subprocess.run(argv, cwd=there, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr, home.exists()) == (0, "", False)
    assert json.loads(done.stdout)["data"]["judged"] == 1


def test_squash_and_rebase_keep_the_tree_and_with_it_the_proof(delivery: Delivery) -> None:
    delivery.git("checkout", "-q", "-b", "feature")
    delivery.write("half\n")
    delivery.approve("two = 2\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--squash", "feature")
    delivery.git("commit", "-q", "-m", "Squashed")
    delivery.push()
    assert delivery.named() == []


def test_the_text_names_each_commit_and_its_problem(delivery: Delivery) -> None:
    commit = delivery.write("evil\n")
    delivery.push()
    there = delivery.clone()
    found = delivery.cli("--project", str(there), "verify", "--branch", "main")
    assert found.code == 1
    assert "1 of 2 commits on main proven, 1 problem" in found.out
    assert f"  {delivery.commit[:12]} Write one = 1: {delivery.first} sign, attempt 1, by ada" in found.out
    assert f"  {commit[:12]} Write app.py: its files (tree " in found.out
    assert "[proof_missing]" in found.out


def test_a_clone_whose_attestations_are_older_than_the_branch_says_how_to_fetch_them(delivery: Delivery) -> None:
    there = delivery.clone()
    delivery.approve("two = 2\n")
    delivery.push()
    git(there, "pull", "-q", "origin", "main")
    verify = ("--project", str(there), "verify", "--branch", "main")
    behind = delivery.cli(*verify)
    assert behind.code == 1
    assert f"Next: The remote may have newer attestations: {FETCH}; then verify again." in behind.err
    git(there, "fetch", "-q", "origin", f"+{REF}:refs/remotes/origin/wfe/attestations")
    assert delivery.cli(*verify).code == 0


def test_a_branch_that_names_no_approver_says_how_one_is_named(cli: Terminal) -> None:
    git(cli.root, "init", "-q", "-b", "main")
    git(cli.root, "commit", "-q", "--allow-empty", "-m", "Begin")
    found = cli.json("verify", "--branch", "main")
    assert "approvers_missing" in {problem["code"] for problem in found.data["problems"]}
    assert "Name one: wfe-mcp approvers add NAME --key mine" in cli("verify", "--branch", "main").err


def test_a_commit_and_a_clone_that_cannot_be_read_are_refused(delivery: Delivery) -> None:
    assert delivery.verify("--since", "nowhere").refusal == "bad_argument"
    assert delivery.cli.json("verify", "--since", "main").refusal == "bad_argument"
    delivery.write("evil\n")
    delivery.push()
    there = delivery.cli.place / "state" / "shallow"
    git(there.parent, "clone", "-q", "--depth", "1", f"file://{delivery.remote}", there.name)
    found = delivery.cli.json("--project", str(there), "verify", "--branch", "main")
    assert (found.refusal, "--unshallow" in found.out) == ("unavailable", True)
    found = delivery.cli.json("--project", str(delivery.remote), "verify", "--branch", "main")
    assert (found.refusal, f"git clone '{delivery.remote}'" in found.out) == ("unavailable", True)


# the merge lock: an agent that holds the token of its owner


@pytest.mark.attack(
    "the owner's token merges without an approval (admin merge)", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_a_merge_by_an_admin_is_named(delivery: Delivery) -> None:
    delivery.git("checkout", "-q", "-b", "feature")
    delivery.write("evil\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--no-ff", "-m", "Merge", "feature")
    delivery.push()
    assert delivery.named() == [("proof_missing", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack(
    "the ruleset of the branch is switched off and the change is pushed to it",
    "detected",
    "seen at trusty-tools and claude-code; T1",
)
def test_a_push_to_a_branch_without_rules_is_named(delivery: Delivery) -> None:
    first, second = delivery.write("evil\n"), delivery.write("worse\n")
    delivery.push()
    assert delivery.named() == [("proof_missing", first[:12]), ("proof_missing", second[:12])]


@pytest.mark.attack("a bot approves the pull request", "detected", "seen at trusty-tools and claude-code; T1")
def test_an_approval_by_another_key_is_named(delivery: Delivery) -> None:
    """What a forge counts as a review, and a decision that a key of the bot signed, are no decision of an approver."""
    delivery.approve("evil\n")
    forge_signature(delivery)
    delivery.push()
    assert delivery.named() == [("key_unknown", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack(
    "the approved pull request is retargeted to another branch", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_a_change_approved_for_another_base_is_named(delivery: Delivery) -> None:
    delivery.git("checkout", "-q", "-b", "feature")
    delivery.approve("two = 2\n")
    delivery.git("checkout", "-q", "main")
    (delivery.cli.root / "notes.txt").write_text("main has gone on\n")
    delivery.approve("one = 1\n")
    delivery.git("merge", "-q", "--no-ff", "-m", "Merge", "feature")
    delivery.push()
    assert delivery.named() == [("proof_missing", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack(
    "the branch is force-pushed back to an older state", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_a_force_push_is_named(delivery: Delivery) -> None:
    delivery.approve("two = 2\n")
    before = delivery.git("rev-parse", "HEAD")
    delivery.push()
    assert delivery.named("--since", delivery.commit) == []
    delivery.git("branch", "kept", before)
    delivery.git("reset", "-q", "--hard", "HEAD~1")
    delivery.push("main", "kept", f"{REF}:{REF}")
    assert delivery.named("--since", before) == [("branch_rewritten", "main")]


@pytest.mark.attack(
    "the pull request is squashed to another tree than the approved one",
    "detected",
    "seen at trusty-tools and claude-code; T1",
)
def test_a_squash_to_another_tree_is_named(delivery: Delivery) -> None:
    delivery.git("checkout", "-q", "-b", "feature")
    delivery.approve("two = 2\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--squash", "feature")
    commit = delivery.write("two = 2\nevil\n")
    delivery.push()
    assert delivery.named() == [("proof_missing", commit[:12])]


@pytest.mark.attack(
    "the approvers file is edited with the change", "detected", "seen at trusty-tools and claude-code; T1"
)
@pytest.mark.parametrize("how", ["replaced", "removed", "spelled"])
def test_an_edited_approvers_file_is_named_and_changes_no_approver(delivery: Delivery, how: str) -> None:
    file = delivery.cli.root / ".wfe" / "approvers.json"
    if how == "removed":
        file.unlink()
    else:
        content = json.loads(file.read_text())
        content["changes"][0]["key"]["name"] = "mallory"
        file.write_text(json.dumps(content, indent=2 if how == "replaced" else 1, sort_keys=True) + "\n")
    edited = delivery.write("one = 1\n")
    evil = delivery.write("evil\n")
    delivery.push()
    assert delivery.named() == [("approvers_rewritten", edited[:12]), ("proof_missing", evil[:12])]


@pytest.mark.attack(
    "the bundle of an earlier change is replayed for a revert to its files",
    "detected",
    "seen at trusty-tools and claude-code; T1",
)
def test_a_replayed_bundle_is_named(delivery: Delivery) -> None:
    delivery.approve("two = 2\n")
    again = delivery.write("one = 1\n")
    delivery.push()
    assert delivery.named() == [("proof_stale", again[:12])]
    delivery.git("reset", "-q", "--hard", "HEAD~1")
    delivery.approve("one = 1\n")
    delivery.push()
    assert delivery.named() == []


@pytest.mark.attack(
    "the bundle of another tree is copied below this one", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_a_bundle_that_was_put_below_another_tree_is_named(delivery: Delivery) -> None:
    commit = delivery.write("evil\n")
    move_bundle(delivery, delivery.commit, commit)
    delivery.push()
    assert delivery.named() == [("proof_missing", commit[:12])]


@pytest.mark.attack(
    "the bundle of a fork with its own approvers is pushed", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_the_bundle_of_a_fork_is_named(delivery: Delivery) -> None:
    """In a fork the agent is an approver: its bundle is whole there, and no approver of this base signed it."""
    delivery.approve("evil\n")
    forge_signature(delivery, in_approvers=True)
    delivery.push()
    assert delivery.named() == [("key_unknown", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack(
    "the approved commit is amended before it is merged", "detected", "seen at trusty-tools and claude-code; T1"
)
def test_an_amended_commit_is_named(delivery: Delivery) -> None:
    delivery.approve("two = 2\n")
    (delivery.cli.root / "app.py").write_text("two = 2\nevil\n")
    delivery.git("commit", "-q", "-a", "--amend", "--no-edit")
    delivery.push()
    assert delivery.named() == [("proof_missing", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack(
    "an older head of the pull request is merged than the one approved last",
    "detected",
    "seen at trusty-tools and claude-code; T1",
)
def test_a_merge_of_an_older_head_is_named(delivery: Delivery) -> None:
    delivery.git("checkout", "-q", "-b", "feature")
    older = delivery.write("half\n")
    delivery.approve("two = 2\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--no-ff", "-m", "Merge", older)
    delivery.push()
    assert delivery.named() == [("proof_missing", delivery.git("rev-parse", "HEAD")[:12])]


@pytest.mark.attack("the ref of attestations is deleted", "detected", "seen at trusty-tools and claude-code; T1")
def test_a_deleted_ref_of_attestations_is_named(delivery: Delivery) -> None:
    delivery.push(f":{REF}")
    assert delivery.named() == [("attestations_missing", REF), ("proof_missing", delivery.commit[:12])]


@pytest.mark.attack("a tag with the name of a branch or a commit hides what is there", "detected", "T1")
def test_a_tag_with_the_name_of_a_branch_or_a_commit_hides_nothing(delivery: Delivery) -> None:
    commit, approved, begin = delivery.write("evil\n"), delivery.commit, delivery.start
    delivery.push()
    problem = [("proof_missing", commit[:12])]
    for name, target in (("main", approved), ("origin/main", commit), (begin[:12], commit), (approved[:7], commit)):
        delivery.git("tag", name, target)
        delivery.push(f"refs/tags/{name}")
    assert delivery.named() == problem
    assert delivery.named("--since", begin[:12]) == delivery.named("--since", f"{approved[:7]}^") == problem
    assert delivery.named("--since", "origin/main~1") == problem
    named = delivery.cli.json("--project", str(delivery.clone()), "verify", "--branch", "HEAD", "--since", "HEAD^1")
    assert (named.code, named.data["judged"]) == (1, 1)
