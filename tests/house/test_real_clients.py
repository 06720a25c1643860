"""scripts/real_clients.py: what is installed once, and the reason where it cannot be."""

import os
from pathlib import Path

import pytest

from scripts import real_clients
from tests.first_line import python_line

NPM = """{first_line}
import pathlib, sys
place = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
pathlib.Path({log!r}).open("a").write(sys.argv[-1] + "\\n")
if {fails}:
    sys.exit("npm error code ENOTFOUND")
file = place / "node_modules" / ".bin" / {name!r}
file.parent.mkdir(parents=True)
file.write_text("#!/bin/sh\\n")
file.chmod(0o755)
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a script with a first line")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but this folder, and a place to install to."""
    (bin_ := tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(bin_))
    monkeypatch.setenv("WFE_CLIENTS", str(tmp_path / "clients"))
    return bin_


def npm(tools: Path, *, fails: bool = False, name: str = "claude") -> Path:
    log = tools.parent / "npm.log"
    script = NPM.format(first_line=python_line(), log=str(log), fails=fails, name=name)
    (tools / "npm").write_text(script, encoding="utf-8")
    (tools / "npm").chmod(0o755)
    return log


def test_a_program_is_installed_once_in_its_pinned_version(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = npm(tools)
    assert real_clients.missing("claude") == "claude is not installed: python3 scripts/real_clients.py claude"
    assert [real_clients.main(["claude"]) for _ in range(2)] == [0, 0]

    assert log.read_text().splitlines() == [f"@anthropic-ai/claude-code@{real_clients.PROGRAMS['claude'].version}"]
    assert real_clients.missing("claude") == ""
    assert str(real_clients.found("claude")) in capsys.readouterr().out


def test_a_folder_that_someone_prepared_is_used_as_it_is(tools: Path, tmp_path: Path) -> None:
    file = tmp_path / "clients" / "node_modules" / ".bin" / "claude"
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert real_clients.found("claude") == file


def test_what_cannot_be_installed_is_reported_with_the_reason_and_is_no_failure(
    tools: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert real_clients.main(["claude"]) == 0
    assert "there is no npm" in capsys.readouterr().out
    npm(tools, fails=True)
    assert real_clients.main(["claude"]) == 0
    assert "npm error code ENOTFOUND" in capsys.readouterr().out
    assert not [*(tools.parent / "clients").iterdir()]
    assert real_clients.main(["cluade"]) == 2


def test_a_program_without_the_node_it_needs_is_missing(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tools, name="gemini")
    assert real_clients.install(real_clients.PROGRAMS["gemini"]) == ""
    assert real_clients.missing("gemini") == "gemini needs Node 20 or newer"
    node = tools / "node"
    for version, why in (("v18.1.0", "gemini needs Node 20 or newer"), ("v20.20.2", "")):
        node.write_text(f"#!/bin/sh\necho {version}\n")
        node.chmod(0o755)
        assert real_clients.missing("gemini") == why
