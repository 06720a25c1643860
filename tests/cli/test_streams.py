"""Commands whose standard streams are closed, or cannot be written."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.cli.terminal.system_faults import refused_by_system


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes streams")
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_the_caller_closed_is_no_error(cli: Terminal, closed: str) -> None:
    run = cli.start("note")
    done = in_shell(f'exec "$@" {closed}', "status", run)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (run in done.stdout) == ("1>&-" not in closed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_answer_that_cannot_be_written_for_a_full_disk_is_no_bug_of_ours(cli: Terminal) -> None:
    done = in_shell('exec "$@" > /dev/full', "status", cli.start("note"))
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(
        "error: The disk is full: No space left on device. [unavailable]\n"
        "Next: free some space, or write the output elsewhere. What was done until then is kept.\n"
    ), done.stderr

    done = in_shell('exec "$@" > /dev/full', "status", "--json")
    assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (1, "unavailable"), done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["status", "--help"]])
def test_help_and_version_that_cannot_be_written_for_a_full_disk_are_no_bug_of_ours(words: list[str]) -> None:
    done = in_shell('exec "$@" > /dev/full', *words)
    assert done.returncode == 1, done.stderr
    assert done.stderr == (
        "error: The disk is full: No space left on device. [unavailable]\n"
        "Next: free some space, or write the output elsewhere. What was done until then is kept.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_json_that_cannot_be_written_for_a_full_disk_is_answered_in_json() -> None:
    for words in (["--json", "--version"], ["--json", "nothing-like-that"]):
        done = in_shell('exec "$@" > /dev/full', *words)
        assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (1, "unavailable"), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe whose reader is gone")
@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["status", "--help"]])
def test_help_and_version_say_nothing_where_the_reader_of_the_pipe_is_gone(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wfe_mcp", *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_file_that_the_system_keeps_from_us_is_no_bug_of_ours(number: int) -> None:
    refused = refused_by_system(OSError(number, os.strerror(number), "/state/client-files"))
    assert refused is not None
    assert refused.code == "unavailable"
    assert refused.message == f"/state/client-files cannot be used: {os.strerror(number)}."


def in_shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of ``script``, whose arguments are a command of ours."""
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "wfe_mcp", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
