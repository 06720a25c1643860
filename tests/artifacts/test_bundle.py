"""The files that a bundle may contain."""

import pytest

from wfe_mcp.artifacts.parse import normal_path, path_fault
from wfe_mcp.artifacts.validate import to_file, validate


def bundle(*paths: str) -> dict[str, object]:
    return {"files": [{"path": path, "content": "x"} for path in paths]}


@pytest.mark.requirement("B-05", "S0-22")
def test_a_bundle_holds_files_of_any_language() -> None:
    files = {
        "src/Main.java": "class Main {}",
        "lib.rs": "",
        "页.md": "# é\n",
        "Makefile": "all:\n\ttrue\n",
        "a/b/c.go": "x",
    }
    value = {"files": [{"path": path, "content": content} for path, content in files.items()]}
    assert validate("file_bundle@1", value).value == value
    assert to_file("file_bundle@1", value) == files


@pytest.mark.requirement("B-05")
@pytest.mark.requirement("S0-22")
def test_a_bundle_without_files_is_an_error() -> None:
    (fault,) = validate("file_bundle@1", {"files": []}).faults
    assert (fault.path, fault.message) == ("/files", "must have at least 1 item, found 0")
    assert validate("file_bundle@1", {}).faults[0].path == "/files"


@pytest.mark.requirement("S0-24")
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("\\etc", "is absolute"),
        ("C:\\x", "names a drive"),
        ("c:x", "names a drive"),
        ("\\\\server\\share\\x", "names a network share"),
        ("//server/share/x", "names a network share"),
        ("a/../b", "has a '.' or '..' part"),
        ("..\\b", "has a '.' or '..' part"),
        ("./a", "has a '.' or '..' part"),
        ("a//b", "has an empty part"),
        ("a/", "has an empty part"),
        ("a/.env", "has a file name that begins with a dot"),
        (".git/hooks/pre-commit", "enters a protected folder (.git, .wfe)"),
        ("sub/.GIT/config", "enters a protected folder (.git, .wfe)"),
        (".wfe/config.toml", "enters a protected folder (.git, .wfe)"),
        ("GIT~1/config", "enters a protected folder (.git, .wfe)"),
        ("wfe~1/config.toml", "enters a protected folder (.git, .wfe)"),
        (".git./config", "has a part that ends with a dot or a space"),
        ("a /b", "has a part that ends with a dot or a space"),
        ("a\x01b", "has a control character"),
        ("a.py:stream", 'has one of < > : " | ? *'),
        ("a*b", 'has one of < > : " | ? *'),
        ("nul", "has a part that is a device name on Windows"),
        ("x/COM1.txt", "has a part that is a device name on Windows"),
        ("é" * 128, "has a part longer than 255 bytes"),
        ("a/" * 600 + "b", "is longer than 1024 characters"),
    ],
)
def test_a_path_that_leaves_the_folder_or_the_portable_names_is_refused(path: str, why: str) -> None:
    assert path_fault(path) == why
    value = bundle("ok.py", path)
    (fault,) = [fault for fault in validate("file_bundle@1", value).faults if fault.path == "/files/1/path"]
    assert fault.message == f"this path {why}"
    with pytest.raises(ValueError, match="this path"):
        normal_path(path)


@pytest.mark.parametrize(
    "path", ["a.py", ".github/workflows/ci.yml", "a b/c (1).txt", "nullable.py", "é/ü", "a..b", "a/b.c/.d/e"]
)
def test_ordinary_paths_are_taken(path: str) -> None:
    assert validate("file_bundle@1", bundle(path)).value == bundle(path)


@pytest.mark.requirement("S0-24")
def test_backslashes_come_back_as_slashes() -> None:
    assert validate("file_bundle@1", bundle("src\\a\\b.py")).value == bundle("src/a/b.py")


@pytest.mark.parametrize("twin", ["src/a.py", "src\\a.py", "SRC/A.py"])
def test_two_paths_that_are_one_file_on_some_system_are_refused(twin: str) -> None:
    (fault,) = validate("file_bundle@1", bundle("src/a.py", "b", twin)).faults
    assert fault.path == "/files/2/path"
    assert fault.message.endswith("is the same file as /files/0/path (upper and lower case do not count)")


def test_accents_written_in_two_ways_are_one_file() -> None:
    assert not validate("file_bundle@1", bundle("\u00e9.py", "e\u0301.py")).ok


def test_a_file_may_not_be_the_folder_of_another() -> None:
    (fault,) = validate("file_bundle@1", bundle("a/b/c.py", "A/b")).faults
    assert (fault.path, fault.message) == ("/files/0/path", "'a/b/c.py' lies below /files/1/path, which is a file")


def test_faults_of_shape_and_of_paths_are_reported_together() -> None:
    value = {"files": [{"path": "a", "content": 1}, {"path": "a", "content": ""}, {"path": 3, "content": ""}, "x"]}
    paths = [fault.path for fault in validate("file_bundle@1", value).faults]
    assert paths == ["/files/0/content", "/files/2/path", "/files/3", "/files/1/path"]
