"""Which paths a bundle may write, and what a glob covers."""

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.context_bundles import ContextSettings
from wfe_mcp.workspace.files import paths
from wfe_mcp.workspace.files.paths import bundle_faults, folder_parts, glob_fault, match_globs, parts_of, written_fault

ESCAPES = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "a/",
    "./a",
    "a/./b",
    "C:/x",
    "c:x",
    "a\0b",
    "a\nb",
    "x/" * 500 + "x",
    "a/" + "ä" * 128,
]


@pytest.mark.requirement("S0-24")
@pytest.mark.parametrize("path", [*ESCAPES, "a\\b", "..\\x"])
def test_a_path_that_leaves_or_tricks_is_refused(path: str) -> None:
    with pytest.raises(Refused) as refused:
        parts_of(path)
    assert refused.value.code == "path_outside_project"


@pytest.mark.requirement("S0-24")
@pytest.mark.parametrize(
    "path",
    [
        *ESCAPES,
        ".hidden",
        "a/.env",
        ".git/hooks/pre-commit",
        ".GIT/config",
        "sub/.git/x",
        ".git./x",
        "git~1/x",
        ".g\u200cit/x",
        ".git::$INDEX_ALLOCATION/x",
        ".wfe/config.toml",
        ".WFE/x",
        "WFE~1/x",
    ],
)
def test_a_bundle_may_not_write_there(path: str) -> None:
    assert written_fault(path)


@pytest.mark.parametrize("path", ["a", "a/b.py", ".github/workflows/ci.yml", "ä ö.txt", "a..b", "...a/b", "con"])
def test_a_bundle_may_write_there(path: str) -> None:
    assert written_fault(path) is None


@pytest.mark.parametrize("path", ["con", "aux.txt", "a/NUL", "a.", "a ", "a:b", "a?b"])
def test_windows_refuses_names_that_mean_something_else_there(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths.os, "name", "nt")
    assert written_fault(path)
    assert written_fault("plain.txt") is None


def test_windows_has_globs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(paths.os, "name", "nt")
        files = ContextSettings(files=["docs/**/*.md", "h?.md"]).files
        parts = parts_of("docs/**/*.md", fault_of=glob_fault)
        faults = [glob_fault("con/*.md"), glob_fault("../*.md")]
    assert files == ["docs/**/*.md", "h?.md"]
    assert parts == ("docs", "**", "*.md")
    assert all(faults)


def test_every_fault_of_a_bundle_is_named_at_its_pointer() -> None:
    faults = bundle_faults(["../x", "A.txt", "a.txt", "d", "d/e", "ok"])
    assert [fault.path for fault in faults] == ["/..~1x", "/a.txt", "/d~1e"]


def test_a_folder_to_write_in_may_be_wfe_and_never_git() -> None:
    assert folder_parts(".wfe/runs") == (".wfe", "runs")
    with pytest.raises(Refused):
        folder_parts("x/.Git/hooks")


@pytest.mark.parametrize(
    ("glob", "covered", "not_covered"),
    [
        ("src", ["src", "src/a", "src/a/b"], ["srcs", "a/src"]),
        ("src/", ["src/a"], ["a"]),
        ("src/**", ["src/a", "src/a/b"], ["src", "source/a"]),
        ("*.py", ["a.py", "a.py/x"], ["a/b.py", "a.pyc"]),
        ("**/*.py", ["a.py", "a/b/c.py"], ["a.txt"]),
        ("a/**/b", ["a/b", "a/x/y/b", "a/b/below"], ["a", "b"]),
        ("**", ["a", "a/b"], []),
        ("**/**/x", ["x", "a/x"], ["xx"]),
        ("./src/?.c", ["src/a.c"], ["src/ab.c", "src/.c"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("[]]", ["]"], ["a"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a/[]/b", ["a/[]/b"], ["a/x/b"]),
        ("[!]", ["[!]"], ["a"]),
        ("[z-a]", ["[z-a]"], ["z"]),
        ("[a\\]x", ["\\x", "ax"], []),
        ("a**b", ["ab", "axb"], ["a/b"]),
        ("a*b*c", ["abc", "aXbbYc"], ["acb"]),
        ("", [], ["a"]),
        ("A", [], ["a"]),
    ],
)
def test_a_glob_covers(glob: str, covered: list[str], not_covered: list[str]) -> None:
    assert [path for path in covered if not match_globs(path, [glob])] == []
    assert [path for path in not_covered if match_globs(path, [glob])] == []


def test_a_hostile_glob_answers_at_once() -> None:
    assert not match_globs("a" * 500, ["*a" * 100 + "b"])
    assert not match_globs("a/" * 200 + "b", ["**/a/" * 50 + "c"])
    assert not match_globs("a", [])
