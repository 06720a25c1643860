"""The processes of a server are started again, however often they ended."""

import os
import shutil
import signal
import socket
import sys

import pytest

from wfe_mcp.cli.terminal import server_processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no socket is shared there")


def test_a_process_that_ended_more_than_a_thousand_times_at_once_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_processes, "_TICK_S", 0)
    monkeypatch.setattr(server_processes, "_LONGEST_PAUSE_S", 0)
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    said: list[str] = []

    def note(line: str) -> None:
        said.append(line)
        if len(said) == 1_026:
            os.kill(os.getpid(), signal.SIGTERM)

    with socket.socket() as listening:
        server_processes.run_processes(1, [], listening, note)

    assert [line.partition("(")[2] for line in said[:-1]] == ["exit code 0); another starts."] * 1_026
