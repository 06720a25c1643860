"""Valid context tables of configuration, and the files that their globs match."""

from pathlib import Path

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config import context_bundles as context
from wfe_mcp.workspace.config.context_bundles import ContextSettings, files_matching
from wfe_mcp.workspace.config.settings import load_settings


def problems(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / ".wfe").mkdir(exist_ok=True)
    (tmp_path / ".wfe" / "config.toml").write_text(text, encoding="utf-8")
    loaded = load_settings(tmp_path, lambda _path, _sha256: True, {}, tmp_path / "user.toml")
    assert not loaded.settings.context
    return [problem.message for problem in loaded.problems]


@pytest.mark.parametrize(
    ("glob", "words"),
    [
        ("../secret.md", "leaves its folder"),
        ("/etc/passwd", "absolute"),
        ("a\\\\b", "backslash"),
        ("C:/x", "drive letter"),
    ],
)
def test_a_path_that_leaves_the_project_does_not_count(tmp_path: Path, glob: str, words: str) -> None:
    answer = problems(tmp_path, f'[context.standards]\nfiles = ["{glob}"]\n')

    assert words in answer[0]
    assert "[context.standards] does not count: names no files" in answer[-1]


def test_a_bundle_without_files_does_not_count(tmp_path: Path) -> None:
    assert problems(tmp_path, "[context.standards.scopes]\napi = []\n") == [
        "[context.standards] does not count: names no files: say at least one of 'files', 'layers', 'rules'"
    ]


def test_a_scope_names_layers_that_are_there(tmp_path: Path) -> None:
    answer = problems(tmp_path, '[context.x]\nlayers.web = ["a.md"]\nscopes.api = ["wep"]\n')

    assert answer == ["[context.x] does not count: scope 'api' names the layer 'wep', which 'layers' does not have"]


def test_scopes_and_layers_choose_files_once_and_in_order() -> None:
    bundle = ContextSettings(
        files=["a.md"],
        layers={"_universal": ["b.md", "a.md"], "web": ["c.md"], "db": ["d.md"]},
        scopes={"api": ["db", "web"], "domain": ["db"]},
        prefixes={"_universal": ["SEC-"], "api": ["API-"], "ops": ["OPS-"]},
    )

    assert bundle.scope_names == ("api", "domain", "ops")
    assert bundle.globs("api") == ("a.md", "b.md", "d.md", "c.md")
    assert bundle.globs("") == ("a.md", "b.md")
    assert [bundle.wants_rule(rule, "api") for rule in ("SEC-1", "API-1", "OPS-1")] == [True, True, False]
    assert not bundle.wants_rule("API-1", "")


def test_without_prefixes_every_rule_is_wanted() -> None:
    assert ContextSettings(rules=["r.yaml"]).wants_rule("X-1", "")


def test_globs_match_files_below_their_folder_and_never_git(tmp_path: Path) -> None:
    for path in (
        "docs/a.md",
        "docs/b/c.md",
        "docs/b/d.txt",
        ".git/e.md",
        ".wfe/runs/f.md",
        ".wfe/standards/g.md",
        "h.md",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x", encoding="utf-8")

    assert files_matching(tmp_path, "**/*.md") == ("docs/a.md", "docs/b/c.md", "h.md")
    assert files_matching(tmp_path, "docs/*.md") == ("docs/a.md",)
    assert files_matching(tmp_path, "docs") == ("docs/a.md", "docs/b/c.md", "docs/b/d.txt")
    assert files_matching(tmp_path, ".wfe/standards/*.md") == (".wfe/standards/g.md",)
    assert files_matching(tmp_path, "docs/a.md") == ("docs/a.md",)
    assert files_matching(tmp_path, "docs/*.rst") == ()


def test_a_glob_over_too_many_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_LOOKED_AT", 3)
    for number in range(4):
        (tmp_path / f"{number}.md").write_text("x", encoding="utf-8")

    with pytest.raises(Refused) as caught:
        files_matching(tmp_path, "*.md")

    assert caught.value.code == "too_large"
