"""The demo plays to its end, and reports faults."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wfe_mcp.server.tools.artifacts import GATES_WAIT_S
from wfe_mcp.testing.demo import main
from wfe_mcp.testing.demo_stage import FAILING_TEST, Stage


class Terminal(io.StringIO):
    """Someone types these lines."""

    def isatty(self) -> bool:
        return True


def test_the_demo_plays_to_its_end_and_the_commands_that_it_names_work_as_they_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "a demo"
    assert main(["--folder", str(folder)]) == 0

    printed = capsys.readouterr().out
    named = printed.partition("Look for yourself:")[2].split("Played in")[0]
    assert len(named.split("\n\n")[1].splitlines()) == 4
    shell = ["powershell", "-NoProfile", "-Command"] if sys.platform == "win32" else ["sh", "-ec"]
    pasted = subprocess.run([*shell, named], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (pasted.returncode, pasted.stderr) == (0, "")
    assert "Verified 1 run" in pasted.stdout

    output = re.sub(r"\s+", " ", printed)
    for lines in (
        "invalid_artifact: ",
        "/actual required key 'actual' is missing",
        "1 passed, 1 failed",
        "gate_failed: ",
        "is dead",
        "the run continues",
        "2 passed",
        "needs_human: ",
        "the demo approves in your place",
        "demo (demo, human)",
        "2 of 2 phases done",
        "Verified: ",
        "verify",
    ):
        assert lines in output
    assert "\x1b[" not in output
    assert (folder / "project" / ".wfe" / "runs").is_dir()


def test_the_demo_plays_on_where_a_call_answers_before_the_tests_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    as_slow = f'import time\nif slug("a.b") == "a.b":\n    time.sleep({GATES_WAIT_S + 1})\n'
    monkeypatch.setattr("wfe_mcp.testing.demo.FAILING_TEST", f"{FAILING_TEST}\n{as_slow}")

    assert main(["--folder", str(tmp_path / "demo")]) == 0
    assert "1 passed, 1 failed" in capsys.readouterr().out


def test_without_git_the_demo_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["--folder", str(tmp_path / "demo")]) == 1
    assert "needs git" in capsys.readouterr().err


def test_the_demo_never_plays_in_a_folder_it_played_in_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "wfe.db").write_bytes(b"somebody's")

    assert main(["--folder", str(tmp_path)]) == 1
    assert "wfe.db" in capsys.readouterr().err
    assert (tmp_path / "wfe.db").read_bytes() == b"somebody's"


def test_unknown_arguments_are_a_misuse(capsys: pytest.CaptureFixture[str]):
    assert main(["--fast"]) == 2
    assert main(["--help"]) == 0
    assert "usage" in capsys.readouterr().out


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain, colourful = io.StringIO(), Terminal()

    Stage(plain, {}).act("A run begins")
    Stage(colourful, {}).act("A run begins")

    assert plain.getvalue() == "\n1  A run begins\n"
    assert "\x1b[1m" in colourful.getvalue()


def test_every_fault_of_a_refusal_is_on_the_stage():
    out = io.StringIO()
    detail = {"path": "", "message": "must be an object"}
    error = {"code": "bad_argument", "message": "No.", "hint": "Mend it.", "details": [detail]}

    Stage(out, {"must": "has to"}).server({"ok": False, "error": error})

    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "server  bad_argument: No.",
        "(whole)  has to be an object",
        "hint: Mend it.",
    ]


@pytest.mark.requirement("B-12", "S0-58")
def test_the_documented_command_plays_the_demo_where_nothing_is_set_up(tmp_path: Path):
    """The set-up half of the README's line is run by scripts/check.py; here its words, in an empty home and folder."""
    readme = Path(__file__).parents[2] / "README.md"
    line = readme.read_text(encoding="utf-8").split("```sh\n", 1)[1].splitlines()[0]
    words = line.rsplit("&& ", 1)[1].split()
    assert words[:3] == [".uv/bin/uv", "run", "-q"]

    bare = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-m", words[3].replace("-", "_"), *words[4:]]
    played = subprocess.run(
        [*command, "--folder", str(tmp_path / "demo")],
        cwd=tmp_path,
        env=bare | {"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert (played.returncode, played.stderr) == (0, "")
    assert re.search("wfe-mcp'? verify", played.stdout)
