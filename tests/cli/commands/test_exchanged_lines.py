"""``verify --branch`` names a first-parent line that was exchanged for one of the agent's own, without a force push."""

import pytest

from tests.cli.delivered import Delivery, delivered
from tests.cli.scene import Terminal


@pytest.fixture
def delivery(cli: Terminal) -> Delivery:
    start, run, commit = delivered(cli)
    return Delivery(cli, start, run, commit)


def exchange_line(delivery: Delivery, *, names: bool, through_side: bool = False) -> tuple[str, str]:
    """Fast-forward main to a merge of it into a line of the agent's own: the first commit of that line, and the merge.

    ``names``: that line has a copy of the approvers from its beginning, else the merge brings them from main.
    ``through_side``: main comes by a commit that has no approvers.
    """
    file = delivery.cli.root / ".wfe" / "approvers.json"
    main, copied = delivery.git("rev-parse", "main"), file.read_bytes()
    delivery.git("checkout", "-q", "--orphan", "own")
    if not names:
        file.unlink()
    first = delivery.write("evil\n")
    if through_side:
        delivery.git("merge", "-q", "-s", "ours", "--allow-unrelated-histories", "-m", "Side", main)
        main = delivery.git("rev-parse", "HEAD")
        delivery.git("reset", "-q", "--hard", first)
    delivery.git("merge", "-q", "--no-ff", "-s", "ours", "--allow-unrelated-histories", "-m", "Merge", main)
    file.write_bytes(copied)
    delivery.git("add", "-A")
    delivery.git("commit", "-q", "--amend", "--no-edit", "--allow-empty")
    delivery.git("push", "-q", str(delivery.remote), "own:main")
    return first, delivery.git("rev-parse", "HEAD")


@pytest.mark.attack(
    "the branch is fast-forwarded to a merge of it into the agent's own line, which has a copy of the approvers",
    "detected",
    "T1",
)
def test_a_line_with_first_approvers_of_its_own_is_named(delivery: Delivery) -> None:
    first, _ = exchange_line(delivery, names=True)
    assert delivery.named() == [("branch_rewritten", first[:12])]
    assert delivery.named("--since", first) == []
    assert delivery.named("--since", delivery.commit) == [("branch_rewritten", "main")]


@pytest.mark.attack(
    "the branch is fast-forwarded to a merge that has its approvers, and the files of the agent's own line",
    "detected",
    "T1",
)
def test_a_merge_that_takes_approvers_from_its_second_parent_is_judged_by_them(delivery: Delivery) -> None:
    _, merge = exchange_line(delivery, names=False)
    assert delivery.named() == [("proof_missing", merge[:12])]


@pytest.mark.attack(
    "the branch is merged through a commit without approvers, and the next merge names the same ones again",
    "detected",
    "T1",
)
def test_approvers_that_a_merge_names_again_are_named(delivery: Delivery) -> None:
    _, merge = exchange_line(delivery, names=False, through_side=True)
    assert delivery.named() == [("branch_rewritten", merge[:12])]


def test_approvers_that_a_merge_brings_are_taken_as_they_are_where_they_decided_nothing(delivery: Delivery) -> None:
    """So a repository gets its first approvers by a pull request."""
    delivery.git("checkout", "-q", "--orphan", "other")
    delivery.git("rm", "-q", "-r", "--cached", ".wfe")
    (delivery.cli.root / ".wfe" / "approvers.json").unlink()
    delivery.write("moved = 0\n")
    delivery.git("merge", "-q", "--no-ff", "-X", "ours", "--allow-unrelated-histories", "-m", "Set up", delivery.start)
    merge = delivery.git("rev-parse", "HEAD")
    delivery.push("other:main")
    found = delivery.verify()
    assert (found.code, found.data["problems"]) == (0, [])
    first, named = found.data["notes"]
    assert f"Approvers (ada) are named since {merge[:12]}" in first
    assert named.startswith(f"{delivery.start[:12]} Name who approves named them first")
