"""What a project consists of is read from its files."""

from pathlib import Path

import pytest

from wfe_mcp.workspace.config.project_facts import Language, Package, project_facts


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

    assert found.languages == (Language("Python", 2, ("src",)), Language("TypeScript", 1, ("web",)))
    assert found.packages == (Package(".", ("pyproject.toml",)), Package("web", ("package.json",)))
    assert "test" in {each.name for each in found.checks}
    assert found.left_out == ()


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    found = project_facts(tmp_path)
    assert (found.languages, found.packages, found.checks) == ((), (), ())
