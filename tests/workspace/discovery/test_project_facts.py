"""What a project consists of is read from its files."""

from pathlib import Path

import pytest

from tests.workspace.conftest import Git
from wfe_mcp.workspace.discovery.project_facts import Language, Package, named_facts, project_facts


@pytest.mark.requirement("S4-31")
def test_languages_manifests_and_checks_are_found_by_the_files(tmp_path: Path) -> None:
    for name in (
        "pyproject.toml",
        "src/app.py",
        "src/deep/more.PY",
        "web/package.json",
        "web/a.ts",
        "notes.txt",
        "x/vendor/y.go",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[tool.pytest.ini_options]\n" if name == "pyproject.toml" else "{}")

    found = project_facts(tmp_path)

    assert found.languages == (
        Language("Python", 2, ("src",), "src/app.py"),
        Language("TypeScript", 1, ("web",), "web/a.ts"),
    )
    assert found.packages == (Package(".", ("pyproject.toml",)), Package("web", ("package.json",)))
    assert "test" in {each.name for each in found.checks}
    assert found.left_out == ()


def test_a_folder_of_each_tool_chain_is_listed_with_the_files_that_make_it_one(tmp_path: Path) -> None:
    for name in ("api/Api.csproj", "lib/lib.cabal", "jobs/Pipfile", "tools/Makefile", "tools/go.mod", "notes/a.md"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("", encoding="utf-8")

    assert sorted((package.path, package.manifests) for package in project_facts(tmp_path).packages) == [
        ("api", ("Api.csproj",)),
        ("jobs", ("Pipfile",)),
        ("lib", ("lib.cabal",)),
        ("tools", ("Makefile", "go.mod")),
    ]


@pytest.mark.requirement("S4-31")
def test_a_fact_of_each_kind_is_named_and_what_is_only_a_default_is_not(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("django\npsycopg\n", encoding="utf-8")
    found = project_facts(tmp_path)
    named = named_facts(found)
    assert (named["framework"], named["database"]) == ("Django", "PostgreSQL")
    assert "port" not in named
    assert [(each.value, each.sure) for each in found.findings if each.kind == "port"] == [("8000", "default")]


@pytest.mark.requirement("S4-31")
def test_the_work_trees_of_a_repository_are_found_from_each_other(root: Path, repo: Git) -> None:
    (root / "a.txt").write_text("a", encoding="utf-8")
    repo("add", ".")
    repo("commit", "-qm", "one")
    other = root.parent / "other"
    repo("worktree", "add", "-q", str(other))

    (here,) = [each for each in project_facts(root).findings if each.kind.startswith("worktree")]
    (there,) = [each for each in project_facts(other).findings if each.kind.startswith("worktree")]

    assert (here.kind, Path(here.value), here.file) == ("worktree", other, ".git/worktrees/other/gitdir")
    assert (there.kind, there.file) == ("worktree of", ".git")
    assert there.value.endswith(".git/worktrees/other")


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    found = project_facts(tmp_path)
    assert (found.languages, found.packages, found.checks) == ((), (), ())
