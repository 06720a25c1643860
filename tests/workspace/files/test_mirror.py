"""People see what the database holds, and what they edit is noticed."""

from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files import mirror
from wfe_mcp.workspace.files.folders import FdFolder, PathFolder
from wfe_mcp.workspace.files.mirror import Rendered, read_edited, write_artifact

AT = ("r1", "build[T-1].code", 2)
FOLDER = ".wfe/runs/r1/build[T-1].code/2"


def test_everything_of_an_attempt_is_in_its_folder(root: Path) -> None:
    assert mirror.write_prompt(root, *AT, "do it") == f"{FOLDER}/prompt.md"
    assert mirror.write_feedback(root, *AT, "why") == f"{FOLDER}/feedback.md"
    assert mirror.write_artifact(root, *AT, (".json", "{}")) == f"{FOLDER}/artifact.json"
    assert (root / FOLDER / "prompt.md").read_text() == "do it"
    assert mirror.evidence_folder(root, *AT) == root / FOLDER / "evidence"
    assert (root / FOLDER / "evidence").is_dir()


def test_mirrors_stay_out_of_git_and_an_own_rule_stays(root: Path) -> None:
    mirror.evidence_folder(root, *AT)
    assert (root / ".wfe/.gitignore").read_text() == mirror.GITIGNORE
    (root / ".wfe/.gitignore").write_text("mine")
    mirror.write_prompt(root, *AT, "x")
    assert (root / ".wfe/.gitignore").read_text() == "mine"


@pytest.mark.requirement("S3-26")
def test_the_rule_of_an_earlier_version_learns_that_plans_stay_out_too(root: Path) -> None:
    mirror.write_prompt(root, *AT, "x")
    (root / ".wfe/.gitignore").write_text(mirror.GITIGNORE.removesuffix("plans/\n"))
    mirror.write_prompt(root, *AT, "x")
    assert (root / ".wfe/.gitignore").read_text() == mirror.GITIGNORE


def test_who_removes_a_run_asks_for_no_other_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning of thousands of runs took the square of them."""
    for number in range(20):
        mirror.write_prompt(root, f"r-{number}", "plan", 1, "Plan.")
    asked = list[str]()
    for folder in (FdFolder, PathFolder):
        kind = folder.kind

        def noted(self: Any, name: str, kind: Any = kind) -> Any:
            asked.append(name)
            return kind(self, name)

        monkeypatch.setattr(folder, "kind", noted)
    mirror.remove_run(root, "r-7")
    assert sorted({name for name in asked if name.startswith("r-")}) == ["r-7"]
    assert len(mirror.runs_with_files(root)) == 19


@pytest.mark.parametrize(
    ("run", "phase", "attempt"),
    [("../x", "p", 1), ("", "p", 1), ("r", "../p", 1), ("r", "p/q", 1), ("r", "p[../x].q", 1), ("r", "p", 0)],
)
def test_names_that_are_no_names_make_no_folder(root: Path, run: str, phase: str, attempt: int) -> None:
    with pytest.raises(Refused):
        mirror.write_prompt(root, run, phase, attempt, "x")
    assert list(root.iterdir()) == []


@pytest.mark.requirement("B-04")
def test_an_edited_artifact_is_noticed(root: Path) -> None:
    rendered: Rendered = (".md", "# Plan\n")
    assert read_edited(root, *AT, rendered) is None
    write_artifact(root, *AT, rendered)
    assert read_edited(root, *AT, rendered) is None
    (root / FOLDER / "artifact.md").write_text("# Better plan\n")
    assert read_edited(root, *AT, rendered) == (".md", b"# Better plan\n")


@pytest.mark.requirement("B-04")
def test_an_edited_bundle_is_noticed_and_a_new_one_replaces_it_whole(root: Path) -> None:
    rendered = {"a.py": "1", "sub/b.py": "2"}
    assert read_edited(root, *AT, rendered) is None
    write_artifact(root, *AT, rendered)
    assert read_edited(root, *AT, rendered) is None
    (root / FOLDER / "artifact/sub/b.py").write_text("3")
    assert read_edited(root, *AT, rendered) == {"a.py": b"1", "sub/b.py": b"3"}
    write_artifact(root, *AT, {"c.py": "4"})
    assert [each.name for each in (root / FOLDER / "artifact").iterdir()] == ["c.py"]


def test_an_artifact_that_became_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    rendered: Rendered = (".json", "{}")
    write_artifact(root, *AT, rendered)
    (tmp_path / "secret").write_text("{}")
    (root / FOLDER / "artifact.json").unlink()
    (root / FOLDER / "artifact.json").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused):
        read_edited(root, *AT, rendered)
    with pytest.raises(Refused):
        write_artifact(root, *AT, rendered)


def test_a_wfe_folder_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / ".wfe").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(Refused):
        mirror.write_prompt(root, *AT, "x")
    assert list((tmp_path / "elsewhere").iterdir()) == []
