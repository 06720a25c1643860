"""Each way to show git another history than the one that its commits name."""

from pathlib import Path

import pytest

from tests.workspace.conftest import Git, run_git, tree
from wfe_mcp.workspace.git import repository
from wfe_mcp.workspace.git.file_diffs import file_diffs


@pytest.mark.attack("let a replace ref show other content", "held", "T15")
def test_a_replace_ref_changes_neither_the_tree_nor_what_a_diff_shows(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "a.txt").write_text("evil\n")
    after = tree(root)
    blob = repo("rev-parse", "HEAD:a.txt").strip()
    other = repo("hash-object", "-w", "a.txt").strip()
    run_git(root, "replace", blob, other)
    (shown,) = file_diffs(root, before, after)
    assert [hunk.lines for hunk in shown.hunks] == [("-a", "+evil")]
    assert tree(root) == after


@pytest.mark.attack("let a graft hide commits", "held", "T15")
def test_a_graft_and_a_replaced_commit_hide_no_commits(root: Path, repo: Git) -> None:
    first = repo("rev-parse", "HEAD").strip()
    for name in ("two", "three"):
        (root / name).write_text(name)
        repo("add", "-A")
        repo("commit", "-q", "-m", name)
    head = repo("rev-parse", "HEAD").strip()
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/grafts").write_text(f"{head} {first}\n")
    assert len(repository.commits_between(root, first)) == 2
    (root / ".git/info/grafts").unlink()
    run_git(root, "replace", "--graft", head, first)
    assert len(repository.commits_between(root, first)) == 2
    assert repository.commit_message(root, head) == "three"


@pytest.mark.attack("write a commit-graph that names another parent", "held", "T15")
def test_a_commit_graph_that_names_another_parent_hides_no_commits(root: Path, repo: Git) -> None:
    """The file has, per commit in the order of their ids, the positions of its parents."""
    first = repo("rev-parse", "HEAD").strip()
    for name in ("two", "three", "four"):
        repo("commit", "-q", "--allow-empty", "-m", name)
    repo("commit-graph", "write", "--reachable")
    graph = root / ".git/objects/info/commit-graph"
    content = bytearray(graph.read_bytes())
    ids = sorted(repo("rev-list", "HEAD").split())
    head, before = repo("rev-list", "HEAD").split()[:2]
    chunks = {
        bytes(content[at : at + 4]): int.from_bytes(content[at + 4 : at + 12])
        for at in range(8, 8 + 12 * content[6], 12)
    }
    parent = chunks[b"CDAT"] + ids.index(before) * 36 + 20
    content[parent : parent + 4] = ids.index(first).to_bytes(4)
    graph.chmod(0o644)
    graph.write_bytes(content)
    assert repo("rev-list", f"{first}..HEAD").split() == [head, before], "git believes it"
    assert len(repository.commits_between(root, first)) == 3
