"""The second day: a new conversation, a server that was killed, a colleague's machine."""

import os
import signal
from pathlib import Path

import pytest

from tests import real_clients
from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import BUGGED, PROBLEM, PROOF, QUICK_FIX, UNITTEST
from tests.fake_models.script import Turn
from tests.fake_models.server import RecordedRequest
from tests.real_clients import CLAUDE, CODEX, Follower, RealClient, program, prompt
from wfe_mcp.core.model import By
from wfe_mcp.engine.phases.claim import start_phase
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era
from wfe_mcp.views.answers import tool_answers as answers

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])
COLLEAGUE = "ada-laptop:4711:1767225600.000"


def follower(client: RealClient, project: Playground) -> Follower:
    return Follower(client, project.root, "quick_fix", PROBLEM, QUICK_FIX, project.approve)


def servers(project: Playground) -> list[int]:
    """The processes of the project's running servers."""
    with project.engine.store.read() as tx:
        return [row.pid for row in tx.processes.on_host(project.engine.identity.host) if row.kind == "serve"]


@ERAS
def test_a_client_on_another_machine_learns_where_the_phase_is_worked_on(bugged: Playground, era: Era) -> None:
    started = answers.start_run(bugged.engine, By("ada"), template="quick_fix", inputs=PROBLEM)
    run = str(started.run)
    start_phase(bugged.engine, By("codex"), run, "reproduce", holder=COLLEAGUE)
    answer = "reproduce is held by a server on another machine, ada-laptop: continue there. Its lease ends "
    with bugged.server(era) as agent:
        status = agent.call("status")
        refused = [
            agent.call("start_phase", run=run),
            agent.call("start_phase", run=run, phase="reproduce"),
            agent.call("submit_artifact", run=run, phase="reproduce", artifact=PROOF),
        ]

    assert status["data"]["warnings"][0].startswith(answer)
    assert [each["error"]["code"] for each in refused] == ["leased"] * 3
    assert all(each["error"]["hint"].startswith(answer) for each in refused)


def test_a_phase_of_this_machine_is_not_reported_as_another_ones(bugged: Playground) -> None:
    with bugged.server() as other, bugged.server() as agent:
        run = other.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        other.call("start_phase", run=run, phase="reproduce")
        refused = agent.call("start_phase", run=run, phase="reproduce")
        status = agent.call("status")

    assert refused["error"]["code"] == "leased"
    assert "another machine" not in refused["error"]["hint"]
    (held,) = status["data"]["warnings"]
    assert (held.startswith("reproduce is held by "), "another machine" in held) == (True, False)


def test_a_new_conversation_of_a_real_client_continues_in_two_calls(play: MakePlayground, tmp_path: Path) -> None:
    program(CODEX.program)
    project = play(BUGGED, {"test": UNITTEST})
    first = follower(CODEX, project)

    def half(asked: RecordedRequest) -> Turn:
        """A conversation that ends in the middle of the second phase."""
        turn = first(asked)
        begun = first.called.count("start_phase")
        return Turn(text="That is all for today.") if begun == 2 else turn

    home = tmp_path / "home"
    stopped = real_clients.play(CODEX, project, home, half)
    assert stopped.code == 0, stopped.output[-3_000:]
    second = follower(CODEX, project)
    session = prompt(CODEX, project, home, second, "go on")

    assert second.called[:3] == ["status", "start_phase", "submit_artifact"]
    assert (session.code, second.heard[-1].run_state) == (0, "completed"), session.output[-3_000:]
    assert second.heard[0].run == first.heard[-1].run


def test_claude_code_whose_server_was_killed_continues_with_the_same_attempt(
    play: MakePlayground, tmp_path: Path
) -> None:
    program(CLAUDE.program)
    project = play(BUGGED, {"test": UNITTEST})
    model, killed = follower(CLAUDE, project), list[int]()

    def deadly(asked: RecordedRequest) -> Turn:
        turn = model(asked)
        if not killed and model.called[-1:] == ["start_phase"] and model.heard[-1].tool == "submit_artifact":
            killed.extend(servers(project))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        return turn

    session = real_clients.play(CLAUDE, project, tmp_path / "home", deadly)
    assert killed
    assert (session.code, model.heard[-1].run_state) == (0, "completed"), session.output[-3_000:]
    run = model.heard[-1].run
    assert project.problems(run) == []
    with project.engine.store.read() as tx:
        attempts = project.engine.load(tx, run).state.attempts
    assert {str(path): len(tried) for path, tried in attempts.items()} == {"reproduce": 1, "fix": 1}
