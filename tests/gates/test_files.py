"""The files gate compares the project with the attempt's start."""

from pathlib import Path

import pytest

from tests.gates.conftest import Project
from wfe_mcp.core.model import VerdictKind
from wfe_mcp.gates.files import judge_files
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workflow.model import FilesGate
from wfe_mcp.workspace.git.working_tree import tree_hash


def judge(project: Project, start: str | None = None, **rules: object) -> Judgement:
    return judge_files(
        FilesGate.model_validate({"kind": "files", **rules}), root=project.root, tree_at_start=start
    )  # fmt: skip


def test_files_that_must_exist_do(project: Project) -> None:
    judgement = judge(project, exist=["src/calc.py", "src/**/*.py"])
    assert (judgement.kind, judgement.evidence_kind) == (VerdictKind.PASS, "files")


def test_every_missing_file_is_named(project: Project) -> None:
    project.write(".wfe/docs/plan.md", "not a file of the project")
    judgement = judge(project, exist=["src/calc.py", "docs/plan.md", "**/plan.md"])
    assert judgement.kind is VerdictKind.FAIL
    assert "'docs/plan.md', '**/plan.md'" in judgement.message and "write the missing files" in judgement.message
    assert judgement.data["exist"] == {"src/calc.py": True, "docs/plan.md": False, "**/plan.md": False}


def test_a_link_out_of_the_project_is_no_file_of_it(project: Project) -> None:
    (project.root.parent / "outside").write_text("x")
    (project.root / "inside").symlink_to(project.root.parent / "outside")
    assert judge(project, exist=["inside"]).kind is VerdictKind.FAIL


def test_changed_tests_are_found_even_when_they_are_committed(project: Project) -> None:
    project.write("tests/test_a.py", "def test_a(): assert 0\n")
    start = tree_hash(project.root)
    project.write("tests/test_a.py", "def test_a(): pass\n")
    project.write("src/calc.py", "# mended\n")
    project.commit("Mend")
    judgement = judge(project, start, unchanged=["tests/**"])
    assert judgement.kind is VerdictKind.FAIL
    assert "tests/test_a.py" in judgement.message and "restore" in judgement.message
    assert judgement.data["changed"] == ["src/calc.py", "tests/test_a.py"]
    assert judge(project, start, unchanged=["docs/**"]).kind is VerdictKind.PASS


def test_changes_outside_the_allowed_paths_are_named(project: Project) -> None:
    start = tree_hash(project.root)
    project.write("src/new.py", "")
    project.write("setup.cfg", "")
    project.write(".wfe/runs/x", "ours")
    judgement = judge(project, start, within=["src/**"])
    assert judgement.kind is VerdictKind.FAIL
    assert judgement.data["outside"] == ["setup.cfg"] and "undo the changes" in judgement.message
    assert judge(project, start, within=["src/**", "*.cfg"]).kind is VerdictKind.PASS


def test_where_no_path_is_allowed_nothing_may_change(project: Project) -> None:
    start = tree_hash(project.root)
    assert judge(project, start, within=[]).kind is VerdictKind.PASS
    project.write("src/new.py", "")
    judgement = judge(project, start, within=[])
    assert (judgement.kind, judgement.data["outside"]) == (VerdictKind.FAIL, ["src/new.py"])
    assert "the allowed paths (none)" in judgement.message


@pytest.mark.parametrize("rules", [{"unchanged": ["tests/**"]}, {"within": ["src/**"]}])
def test_without_git_nobody_knows_what_changed(tmp_path: Path, rules: dict[str, object]) -> None:
    judgement = judge(Project(tmp_path), None, **rules)
    assert judgement.kind is VerdictKind.ERROR and "git init" in judgement.message


def test_files_can_be_required_without_git(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert judge(Project(tmp_path), exist=["*.txt"]).kind is VerdictKind.PASS


def test_an_ignored_file_that_a_check_may_read_must_not_change_either(project: Project) -> None:
    project.write(".gitignore", "conftest.py\n.venv/\n")
    start = tree_hash(project.root)
    project.write("conftest.py", "x")
    project.write(".venv/lib/python3.12/site-packages/more.pth", "x")
    bounded = judge(project, start, within=["src/**"])
    assert bounded.data["outside"] == ["conftest.py"], "what an installation writes is no change of the project"
    assert bounded.data["changed_and_ignored_by_git"] == [".venv/lib/python3.12/site-packages/more.pth", "conftest.py"]
    assert judge(project, start, unchanged=["**/*.pth"]).kind is VerdictKind.FAIL
