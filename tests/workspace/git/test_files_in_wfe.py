"""Files in the project's ``.wfe`` folder: ours are no part of a tree, all others are bound as project files are."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.workspace.conftest import Git, tree
from wfe_mcp.workspace.files.folders import FdFolder, PathFolder
from wfe_mcp.workspace.files.project_files import write_atomic
from wfe_mcp.workspace.files.staging import Staging
from wfe_mcp.workspace.git.file_diffs import all_diffs
from wfe_mcp.workspace.git.working_tree import SeenFiles

OURS = (
    ".gitignore",
    "config.toml",
    "approvers.json",
    "approvals/r-1/plan-1.json",
    "report-tests.xml",
    "runs/.project",
    "runs/r-1/plan/1/prompt.md",
    "runs/r-1/plan/1/feedback.md",
    "runs/r-1/plan/1/artifact.json",
    "runs/r-1/plan/1/artifact/spec/design.md",
    "runs/r-1/loop[a].build/2/evidence/test-1.log",
    "runs/r-1/plan/1/evidence/test-1.tests/results.xml",
    "runs/r-1/plan/1/context/notes.md",
    "runs/r-1/plan/1/manual/opinion-one-6c00954b.md",
    "runs/r-1/plan/1/.wfe-new-0123456789abcdef.md",
)
FOREIGN = (
    "helper.py",
    "conftest.py",
    "fixture.json",
    "templates/data.json",
    "approvals/helper.py",
    "plans/plan.md",
    "stage-00/helper.py",
    "report-tests.py",
    "runs/helper.json",
    "runs/r-1/helper.json",
    "runs/r-1/plan/1/evidence/helper.py",
    "runs/r-1/plan/1/artifact/package.json",
    "runs/r-1/plan/1/context/node_modules/x/index.js",
    "runs/r-1/plan/1/manual/helper.py",
    "runs/r-1/plan/1/other/notes.md",
    "runs/r-1/plan/1/.wfe-new-0123456789abcdef",
    "runs/r-1/plan/1/.wfe-new-helper.py",
)


@pytest.mark.parametrize("path", OURS)
def test_what_wfe_mcp_writes_is_no_file_of_the_project(root: Path, repo: Git, path: str) -> None:
    before = tree(root)
    _write_below(root / ".wfe", path, "{}")
    assert tree(root) == before


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.attack("keep a file that a check reads in .wfe, where no tree looks", "held", "T15")
def test_what_others_put_into_wfe_is_bound_and_named(root: Path, repo: Git, path: str) -> None:
    before = tree(root)
    _write_below(root / ".wfe", path, "GOOD = 1\n")
    good = tree(root)
    assert all_diffs(root, before, good)[1]["new"] == (f".wfe/{path}",)
    _write_below(root / ".wfe", path, "EVIL = 1\n")
    assert all_diffs(root, good, tree(root))[1]["changed"] == (f".wfe/{path}",)
    repo("add", "-f", f".wfe/{path}")
    assert all_diffs(root, good, tree(root))[1]["changed"] == (f".wfe/{path}",)


def test_a_file_of_a_run_is_no_file_of_the_project_while_it_is_written(
    root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, looks = tree(root), list[bool]()
    for folder in (FdFolder, PathFolder):
        move = folder.move

        def looked(self: Any, *words: Any, move: Any = move) -> None:
            looks.append(tree(root) == before)
            move(self, *words)

        monkeypatch.setattr(folder, "move", looked)
    write_atomic(root, ".wfe/runs/r-1/plan/1/feedback.md", "why")
    assert looks == [True]


def test_what_this_process_stages_now_is_no_file_of_the_project(root: Path, repo: Git) -> None:
    _write_below(root / ".wfe", "config.toml", "")
    before = tree(root)
    with Staging(root) as staging:
        staging.put(("app.py",), b"NEW = 1\n")
        (staged,) = (root / ".wfe").glob("stage-*/new-0")
        assert tree(root) == before
    assert not staged.exists()
    _write_below(root, staged.relative_to(root).as_posix(), "EVIL = 1\n")
    assert tree(root) != before, "its name is no hiding place afterwards"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.attack("make a folder of .wfe a link to a folder with what a check reads", "held", "T15")
def test_a_link_in_wfe_is_bound_even_under_a_name_of_ours(root: Path, repo: Git, tmp_path: Path) -> None:
    before = tree(root)
    (tmp_path / "elsewhere").mkdir()
    (root / ".wfe").mkdir()
    (root / ".wfe/templates").symlink_to(tmp_path / "elsewhere")
    assert all_diffs(root, before, tree(root))[1]["new"] == (".wfe/templates",)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("place", [".wfe", ".wfe/runs", ".wfe/approvals"])
def test_no_link_in_place_of_a_folder_of_ours_is_followed(root: Path, repo: Git, tmp_path: Path, place: str) -> None:
    (root / ".wfe").mkdir()
    before = tree(root)
    _write_below(tmp_path / "elsewhere", "runs/helper.py", "EVIL = 1\n")
    (root / ".wfe").rmdir() if place == ".wfe" else None
    (root / place).symlink_to(tmp_path / "elsewhere")
    assert all_diffs(root, before, tree(root))[1]["new"] == (place,)


def test_what_begins_work_asks_for_no_folder_of_the_runs_before_and_what_judges_for_each(
    root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run that ever was has folders there: a start or a claim took 8 ms longer for 1,000 of them."""
    for number in range(20):
        _write_below(root / ".wfe", f"runs/r-{number}/plan/1/prompt.md", "{}")
    tree(root)
    asked, lstat = list[str](), os.lstat

    def noted(place: str) -> os.stat_result:
        asked.append(place)
        return lstat(place)

    monkeypatch.setattr(os, "lstat", noted)
    assert SeenFiles(root, is_whole=False).tree().id == tree(root)
    in_runs = [place for place in asked if "/.wfe/runs/" in place.replace(os.sep, "/")]
    assert len(in_runs) == 60, "the look of a start asks for none, the one of a judgement for three a run"

    _write_below(root / ".wfe", "runs/r-1/plan/1/helper.py", "EVIL = 1\n")
    assert SeenFiles(root, is_whole=False).tree().watched == {}
    assert list(SeenFiles(root).tree().watched) == [".wfe/runs/r-1/plan/1/helper.py"]
    _write_below(root / ".wfe", "helper.py", "EVIL = 1\n")
    assert ".wfe/helper.py" in SeenFiles(root, is_whole=False).tree().watched


def _write_below(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
