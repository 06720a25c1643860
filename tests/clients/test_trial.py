"""A command is started as a client starts it."""

import json
import os
import sys
from pathlib import Path

import pytest

from wfe_mcp import __version__
from wfe_mcp.clients.trial import environment, try_server

ANSWER = {"serverInfo": {"version": "1"}}


def server(*messages: object) -> list[str]:
    """A program that prints these lines and then waits for the end of its input."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in messages]
    return [
        sys.executable,
        "-S",
        "-c",
        f"print({chr(10).join(lines)!r}, flush=True); input(); input(); input(); input()",
    ]


def test_the_server_answers_with_its_version_and_its_tools(tmp_path: Path) -> None:
    home = {**os.environ, "HOME": str(tmp_path), "WFE_DATABASE_URL": f"sqlite:///{tmp_path / 'wfe.db'}"}
    found = try_server([sys.executable, "-m", "wfe_mcp", "serve"], tmp_path, home)
    assert (found.fault, found.version) == ("", __version__)
    assert "start_run" in found.tools


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["no-such-program"], "no-such-program is not found on PATH"),
        ([sys.executable, "-S", "-c", "import sys; sys.exit('no module')"], "it ended before it answered: no module"),
        ([sys.executable, "-S", "-c", "pass"], "it ended before it answered"),
        (
            server("hello", "7", {"id": "x"}, {"id": 1, "result": ANSWER}, {"id": 2, "result": {"tools": []}}),
            "it lists no tool start_run",
        ),
        (server({"id": 1, "error": {}}, {"id": 2, "error": {}}), "its answer is not that of an MCP server"),
    ],
)
def test_a_command_that_does_not_work_says_why(tmp_path: Path, argv: list[str], fault: str) -> None:
    assert try_server(argv, tmp_path, os.environ).fault == fault


def test_a_command_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    found = try_server([sys.executable, "-S", "-c", "import time; time.sleep(600)"], tmp_path, os.environ, limit_s=0.2)
    assert found.fault == "no answer within 0 s"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
@pytest.mark.parametrize("script", ["sleep 600; true", "sleep 600 & wait"])
def test_a_command_whose_child_does_not_answer_is_ended_with_it(tmp_path: Path, script: str) -> None:
    assert try_server(["sh", "-c", script], tmp_path, os.environ, limit_s=0.2).fault == "no answer within 0 s"


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits")
def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "wfe-mcp").write_bytes(b"\x7fELF")
    (tmp_path / "wfe-mcp").chmod(0o755)
    fault = try_server(["wfe-mcp"], tmp_path, {"PATH": str(tmp_path)}).fault
    assert fault.startswith(f"{tmp_path}/wfe-mcp cannot start: ")


def test_a_client_that_passes_few_variables_hides_the_others() -> None:
    every = {"PATH": "/bin", "HOME": "/h", "API_KEY": "x", "SYSTEMROOT": "C:"}
    assert environment(every, None) == every
    assert environment(every, ("PATH",)) == {"PATH": "/bin", "SYSTEMROOT": "C:"}
