"""A decision of a run that delivers shows every file that its commit will have, and a change that the base has already."""

import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, approve, delivered, results
from tests.engine.scene import Scene, approval, phase
from tests.engine.step_scene import reopen, steps
from tests.views.test_not_done import shown
from wfe_mcp.views.approvals import ApprovalView
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.views.approvals.changes import COMMIT as LAST_COMMIT
from wfe_mcp.views.approvals.model import Change
from wfe_mcp.workspace.git.file_diffs import MOST_FILES


def built(scene: Scene, **into: str) -> str:
    """A run that delivers; its approval of ``app.py`` is asked for. ``into``: the parameters of its merge."""
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE | {"params": into}, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    return run


def besides(view: ApprovalView) -> Change | None:
    """What the commit has besides the change of the run."""
    found = [each for each in view.changes if each.since == LAST_COMMIT]
    return found[0] if found else None


def texts(view: ApprovalView) -> list[str]:
    return [each.text for each in view.unusual]


@pytest.mark.attack("a file that no one was shown gets into the base with an approved change", "held", "#29")
def test_a_file_of_ones_own_that_the_commit_will_have_is_shown_and_unusual(scene: Scene) -> None:
    delivered(scene, remote=False)
    scene.write("my-notes.txt", "a secret of mine\n")
    run = built(scene)
    view = shown(scene, run, "build")
    found = besides(view)
    assert found is not None
    assert [(each.path, each.hunks[0].lines) for each in found.files] == [("my-notes.txt", ("+a secret of mine",))]
    assert texts(view) == ["The commit will have changes that this run did not make: my-notes.txt."]
    assert view.unusual[0].why.endswith("List in .gitignore what the project must not have.")
    assert [each.path for each in view.changes[0].files] == ["app.py"]
    approve(scene, run, "build")
    scene.work()
    assert "my-notes.txt" in scene.git("show", "--stat", "--format=", "main"), "what was shown is what is committed"
    assert verify(scene.engine, run).findings == ()


def test_files_of_ones_own_that_were_changed_or_deleted_are_shown_too(scene: Scene) -> None:
    for name in ("old.txt", "kept.txt"):
        scene.write(name, "1\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "two files")
    delivered(scene, remote=False)
    scene.write("kept.txt", "2\n")
    (scene.root / "old.txt").unlink()
    found = besides(shown(scene, built(scene), "build"))
    assert found is not None
    assert [(each.path, each.status) for each in found.files] == [("kept.txt", "modified"), ("old.txt", "deleted")]


def test_lines_of_ones_own_in_a_file_that_the_run_changes_are_shown_too(scene: Scene) -> None:
    scene.write("app.py", "VALUE = 1\n" + "#\n" * 20)
    scene.git("add", "-A")
    scene.git("commit", "-qm", "app")
    delivered(scene, remote=False)
    scene.write("app.py", "VALUE = 1\n" + "#\n" * 20 + "SECRET = 1\n")
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n" + "#\n" * 20 + "SECRET = 1\n")
    scene.submit(run, "build")
    view = shown(scene, run, "build")
    found = besides(view)
    assert found is not None
    assert not any("+SECRET = 1" in hunk.lines for hunk in view.changes[0].files[0].hunks), "it is no change of the run"
    assert any("+SECRET = 1" in hunk.lines for hunk in found.files[0].hunks)
    assert texts(view) == ["The commit will have changes that this run did not make: app.py."]


def test_what_an_earlier_attempt_has_committed_is_no_change_of_ones_own(scene: Scene) -> None:
    delivered(scene, remote=False)
    stop = {"id": "stop", "builtin": "fail", "params": {"message": "a check at the forge is red"}}
    waits = [{"do": "wait_human"}]
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, stop, name="ship", on_fail=waits))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    reopen(scene, run, "build")
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 3\n")
    scene.submit(run, "build")
    view = shown(scene, run, "build")
    assert scene.git("show", "HEAD:app.py") == "VALUE = 2\n", "HEAD is a commit of the run"
    assert besides(view) is None
    assert not [text for text in texts(view) if "did not make" in text]


def test_line_ends_that_git_changes_are_no_changes_of_ones_own(scene: Scene) -> None:
    scene.git("config", "core.autocrlf", "input")
    for number in range(MOST_FILES + 1):  # more than are compared line by line
        (scene.root / f"{number}.py").write_bytes(b"VALUE = 1\r\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "app")
    delivered(scene, remote=False)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    (scene.root / "1.py").write_bytes(b"VALUE = 2\r\n")
    scene.submit(run, "build")
    view = shown(scene, run, "build")
    assert (besides(view), texts(view)) == (None, [])


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse names that are not UTF-8")
def test_a_file_whose_name_is_no_text_is_judged_shown_and_delivered(scene: Scene) -> None:
    delivered(scene, remote=False)
    gates = ({"kind": "files", "changed": ["**/*.txt"]}, approval())
    run = scene.start(phase("build", *gates), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    Path(os.fsdecode(os.fsencode(scene.root) + b"/\xff\xfe.txt")).write_text("one\n")
    scene.submit(run, "build")
    view = shown(scene, run, "build")
    assert ([each.path for each in view.changes[0].files], texts(view)) == (["\\xff\\xfe.txt"], [])
    approve(scene, run, "build")
    scene.work()
    assert '"\\377\\376.txt"' in scene.git("ls-tree", "--name-only", "main").split()
    assert verify(scene.engine, run).findings == ()


CRYPT = "tr 'a-zA-Z' 'n-za-mN-ZA-M'"
"""Encrypts, as git-crypt does, by a filter of the repository's own configuration."""


def with_encrypted_secrets(scene: Scene) -> None:
    """A file that is encrypted in git and readable in the folder, as the last commit has it."""
    for name in ("clean", "smudge"):
        scene.git("config", f"filter.crypt.{name}", CRYPT)
    scene.write(".gitattributes", "*.key filter=crypt\n")
    scene.write("own.key", "secret of ours\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "an encrypted file")
    assert scene.git("show", "HEAD:own.key") == "frperg bs bhef\n"


@pytest.mark.skipif(os.name == "nt", reason="the filter is a program of Unix")
@pytest.mark.attack("a delivery commits in plain text what a filter of the repository encrypts", "held", "#29")
def test_files_that_a_filter_of_the_repository_encrypts_stay_as_the_base_has_them(scene: Scene) -> None:
    with_encrypted_secrets(scene)
    delivered(scene, remote=False)
    run = built(scene)
    view = shown(scene, run, "build")
    assert (besides(view), texts(view)) == (None, [])
    approve(scene, run, "build")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("show", "main:own.key") == "frperg bs bhef\n"
    assert scene.git("show", "main:app.py") == "VALUE = 2\n"


@pytest.mark.skipif(os.name == "nt", reason="the filter is a program of Unix")
@pytest.mark.parametrize("name", ["own.key", "new.key"])
def test_an_encrypted_file_that_the_run_changed_refuses_the_commit(scene: Scene, name: str) -> None:
    with_encrypted_secrets(scene)
    delivered(scene, remote=False)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write(name, "another secret\n")
    scene.submit(run, "build")
    before = scene.git("rev-parse", "main")
    approve(scene, run, "build")
    scene.work()
    assert (
        f"because of a filter, an encoding or an expanded $Id$ (.gitattributes, LFS): '{name}'"
        in results(scene, run)["commit"]
    )
    assert scene.git("rev-parse", "main") == before


@pytest.mark.skipif(os.name == "nt", reason="the filter is a program of Unix")
def test_what_lies_in_lfs_is_no_change_of_ones_own(scene: Scene) -> None:
    content = b"a picture\n" * 20
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content).hexdigest()}\nsize {len(content)}\n"
    )
    scene.write("one.png", pointer)
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a pointer")
    (scene.root / "one.png").write_bytes(content)
    delivered(scene, remote=False)
    view = shown(scene, built(scene), "build")
    assert (besides(view), texts(view)) == (None, [])


def with_a_submodule(scene: Scene, tmp_path: Path) -> None:
    """A submodule ``lib`` with a file, as the last commit has it."""
    other = tmp_path / "other"
    for words in (("init", "-q", str(other)), ("-C", str(other), "commit", "-q", "--allow-empty", "-m", "first")):
        scene.git(*words)
    (other / "inner.txt").write_text("1\n")
    scene.git("-C", str(other), "add", "-A")
    scene.git("-C", str(other), "commit", "-qm", "a file")
    scene.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "lib")
    scene.git("commit", "-qm", "a submodule")


def test_a_submodule_stays_as_it_is_committed_and_its_files_are_no_changes_of_ones_own(
    scene: Scene, tmp_path: Path
) -> None:
    with_a_submodule(scene, tmp_path)
    delivered(scene, remote=False)
    run = built(scene)
    view = shown(scene, run, "build")
    assert (besides(view), texts(view)) == (None, [])
    approve(scene, run, "build")
    scene.work()
    assert scene.git("ls-tree", "main", "lib") == scene.git("ls-tree", "main~1", "lib")


def test_a_change_in_a_submodule_or_in_a_repository_inside_is_unusual(scene: Scene, tmp_path: Path) -> None:
    with_a_submodule(scene, tmp_path)
    delivered(scene, remote=False)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.write("lib/inner.txt", "2\n")
    scene.write("guard/check.py", "CHECKED = True\n")
    scene.git("init", "-q", "guard")
    scene.submit(run, "build")
    view = shown(scene, run, "build")
    assert texts(view) == ["In a repository of their own, which git commits apart: guard/check.py, lib/inner.txt."]


@pytest.mark.attack(
    "a submodule is made a folder after the approval, so that its files get into the base", "held", "#29"
)
def test_files_below_a_submodule_of_the_base_never_get_into_the_commit(scene: Scene, tmp_path: Path) -> None:
    with_a_submodule(scene, tmp_path)
    delivered(scene, remote=False)
    run = built(scene)
    approve(scene, run, "build")
    (scene.root / "lib" / ".git").unlink()
    scene.git("rm", "-q", "--cached", "lib")
    scene.work()
    assert scene.git("ls-tree", "main", "lib") == scene.git("ls-tree", "main~1", "lib")
    assert "lib/inner.txt" not in scene.git("ls-tree", "-r", "--name-only", "main")


@pytest.mark.attack(
    "a new folder is made a repository after the approval, so that the base misses its files", "held", "#29"
)
def test_a_commit_that_would_miss_files_of_a_repository_inside_is_refused(scene: Scene) -> None:
    delivered(scene, remote=False)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write("guard/check.py", "CHECKED = True\n")
    scene.submit(run, "build")
    before = scene.git("rev-parse", "main")
    approve(scene, run, "build")
    scene.git("init", "-q", "guard")
    scene.work()
    assert "'guard/check.py'. Ignore its folder in .gitignore" in results(scene, run)["commit"]
    assert scene.git("rev-parse", "main") == before


def test_what_no_commit_has_is_not_shown_as_part_of_it(scene: Scene) -> None:
    scene.write(".gitignore", "*.log\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "ignore")
    delivered(scene, 'never = ["*.env"]', remote=False)
    for name in ("a.log", "my.env", "mod.pyc"):
        scene.write(name, "mine\n")
    view = shown(scene, built(scene), "build")
    assert (besides(view), texts(view)) == (None, [])


def test_a_run_that_commits_nothing_does_not_ask_about_files_of_ones_own(scene: Scene) -> None:
    scene.write("my-notes.txt", "mine\n")
    run = built(scene)
    view = shown(scene, run, "build")
    assert (besides(view), texts(view)) == (None, [])


@pytest.mark.attack(
    "the agent pushes the change to the base itself, and the decision does not say so", "detected", "#29"
)
@pytest.mark.parametrize("where", ["pushed", "here"])
def test_a_change_that_the_base_has_without_the_run_is_unusual(scene: Scene, where: str) -> None:
    delivered(scene, remote=where == "pushed")
    run = built(scene)
    scene.git("add", "app.py")
    scene.git("commit", "-qm", "by the agent itself")
    if where == "pushed":
        scene.git("push", "-q", "origin", "main")
    commit = scene.git("rev-parse", "HEAD")[:12]
    view = shown(scene, run, "build")
    assert view.changes[0].commits == f"All of it is committed: HEAD is {commit}."
    assert texts(view) == [f"'main' has this change already: commit {commit}, which this run did not make."]


def test_a_change_that_the_run_itself_merged_is_not_unusual(scene: Scene) -> None:
    delivered(scene, remote=False)
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"), phase("close", approval()))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    scene.begin(run, "close")
    scene.submit(run, "close")
    view = shown(scene, run, "close")
    assert (besides(view), texts(view)) == (None, [])


def test_a_folder_of_many_files_hides_no_file_of_ones_own(scene: Scene) -> None:
    delivered(scene, remote=False)
    for number in range(9):
        scene.write(f".venv/bin/tool-{number}")
    scene.write("NOTES.txt", "mine\n")
    (text,) = texts(shown(scene, built(scene), "build"))
    assert text.endswith(": .venv/ (9 files), NOTES.txt.")


def test_a_base_that_is_nowhere_is_unusual_before_the_delivery_stops_there(scene: Scene) -> None:
    delivered(scene, 'base = "trunk"', remote=False)
    (text,) = texts(shown(scene, built(scene), "build"))
    assert text.startswith("There is no branch 'trunk' here or on the remote")


def test_a_base_that_the_template_names_is_the_one_that_is_looked_for(scene: Scene) -> None:
    delivered(scene, 'base = "trunk"', remote=False)
    assert texts(shown(scene, built(scene, base="main"), "build")) == []
