"""The files as they were, where they were kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import Terminal
from wfe_mcp.core import commands as c
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import CLI_HOLDER
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.workspace.git.snapshot import take
from wfe_mcp.workspace.git.snapshot_files import Limits
from wfe_mcp.workspace.system.location import project_at

pytestmark = pytest.mark.usefixtures("in_git")


def checkpoint(cli: Terminal, run: str) -> int:
    """Keep the files now; the number of the event that says so."""
    commit = take(cli.root, {}, Limits(), at=datetime(2026, 11, 20, tzinfo=UTC)).commit
    engine = create_engine(project_at(cli.root), clock=cli.clock, holder=CLI_HOLDER)
    with change_run(engine, run, By()) as current:
        current.give(c.TakeCheckpoint(commit=commit, by=By(), at=current.at))
    engine.close()
    return len(cli.json("log", run).data["events"])


@pytest.fixture
@scene
def kept(cli: Terminal) -> tuple[str, int]:
    """A run with one checkpoint, and a file that has changed since."""
    run = cli.start("note")
    (cli.root / "src").mkdir()
    (cli.root / "src" / "run.sh").write_text("echo then\n")
    (cli.root / "src" / "run.sh").chmod(0o755)
    at = checkpoint(cli, run)
    (cli.root / "src" / "run.sh").write_text("echo now\n")
    cli.submit_work(run, "draft")
    return run, at


def test_the_files_of_an_earlier_moment_are_listed_read_and_written_elsewhere(
    cli: Terminal, kept: tuple[str, int], tmp_path: Path
) -> None:
    run, at = kept
    listed = cli("show", run, "--files", "--at", str(at)).out
    assert f" at cp-{at}\n" in listed
    assert "  src/run.sh\n" in listed
    assert cli("show", run, "--at", f"cp-{at}", "--file", "src/run.sh").out == "echo then\n"
    out = tmp_path / "then"
    assert cli.json("show", run, "--at", str(at), "--files", "--to", str(out)).data["checkpoint"] == f"cp-{at}"
    assert (out / "src" / "run.sh").read_text() == "echo then\n"
    written = cli("show", run, "--at", str(at), "--files", "--to", str(tmp_path / "again")).out
    assert "  src/run.sh\n" in written and "not written" not in written
    assert (cli.root / "src" / "run.sh").read_text() == "echo now\n"
    assert cli("show", run, "--file", "src/run.sh").out == "echo now\n", (
        "the checkpoint of the phase that was completed since"
    )
    assert cli.json("show", run, "--files", "--to", str(out)).refusal == "conflict"
    assert cli.json("show", run, "--files", "--to", str(out / "src" / "run.sh")).refusal == "conflict"
    assert cli.json("show", run, "--files", "--to", str(out / "src" / "run.sh" / "new")).refusal == "bad_argument"


def test_where_no_files_were_kept_that_is_said(cli: Terminal, kept: tuple[str, int]) -> None:
    run, at = kept
    message = cli.json("show", run, "--files", "--at", str(at - 1))
    assert (message.refusal, "Only its state was" in message.document["error"]["hint"]) == ("unavailable", True)
    error = cli.json("show", run, "--file", "src/runs.sh", "--at", str(at)).document["error"]
    assert error["message"] == f"There is no file 'src/runs.sh' at cp-{at}."
    assert error["hint"] == f"Did you mean 'src/run.sh'? All of them: wfe-mcp show {run} --at {at} --files"
