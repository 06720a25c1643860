"""The configuration file that init writes, without touching what is there."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.config.config_file import write_config


@pytest.mark.requirement("S3-26")
def test_a_new_configuration_is_complete_and_ignored_where_it_should_be(root: Path) -> None:
    written = write_config(root, {"test": CheckSettings(argv=["pytest", "-q"], timeout="5m")})
    assert written.added == ("test",)
    text = (root / ".wfe/config.toml").read_text()
    assert tomllib.loads(text) == {"checks": {"test": {"argv": ["pytest", "-q"], "timeout": "5m"}}}
    assert "wfe-mcp trust" in text
    assert "runs/" in (root / ".wfe/.gitignore").read_text()


@pytest.mark.requirement("S3-26")
def test_what_runs_write_is_no_part_of_a_commit(root: Path) -> None:
    write_config(root, {})
    for name in ("runs/x1/plan/1/artifact.json", "runs/x1/plan/1/prompt.md"):
        (root / ".wfe" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / ".wfe" / name).write_text("{}")

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "-A")
    assert [name for name in git("ls-files").split() if name.startswith(".wfe/")] == [
        ".wfe/.gitignore",
        ".wfe/config.toml",
    ]


@pytest.mark.parametrize("end", ["", "\n"])
def test_what_the_configuration_holds_is_never_changed(root: Path, end: str) -> None:
    (root / ".wfe").mkdir()
    before = "# mine\r\n[checks.test]\r\nargv = ['mine']  # keep" + end
    (root / ".wfe/config.toml").write_bytes(before.encode())
    (root / ".wfe/.gitignore").write_text("mine\n")
    proposed = {"test": CheckSettings(argv=["theirs"]), "lint": CheckSettings(argv=["lint"])}
    assert write_config(root, proposed).added == ("lint",)
    after = (root / ".wfe/config.toml").read_bytes()
    assert after.startswith(before.encode())
    assert tomllib.loads(after.decode())["checks"] == {"test": {"argv": ["mine"]}, "lint": {"argv": ["lint"]}}
    assert (root / ".wfe/.gitignore").read_text() == "mine\n"
    assert write_config(root, proposed).added == ()
    assert (root / ".wfe/config.toml").read_bytes() == after


def test_a_configuration_without_checks_is_written_once(root: Path) -> None:
    assert write_config(root, {}).added == ()
    before = (root / ".wfe/config.toml").read_bytes()
    assert write_config(root, {}).added == ()
    assert (root / ".wfe/config.toml").read_bytes() == before


@pytest.mark.parametrize("content", ["checks = {}", "checks = ", "checks = 1", "\udcff"])
def test_a_configuration_that_cannot_be_extended_is_left_as_it_is(root: Path, content: str) -> None:
    (root / ".wfe").mkdir()
    before = os.fsencode(content)
    (root / ".wfe/config.toml").write_bytes(before)
    with pytest.raises(Refused) as refused:
        write_config(root, {"test": CheckSettings(argv=["x"])})
    assert refused.value.code == "conflict"
    assert (root / ".wfe/config.toml").read_bytes() == before
