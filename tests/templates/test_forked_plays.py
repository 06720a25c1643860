"""Forks of shipped templates complete, from several points of a run.

A fork does not change the files. What the agent wrote is removed before each, since a step that is built changes a file.
"""

import pytest

from tests.templates import test_play_compound as compound, test_play_plan_generate_review as revised
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.testing.agent import Script, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in

PLAYS: dict[str, tuple[dict[str, object], Script]] = {
    "compound": (dict(compound.GOAL), compound.SCRIPT),
    "plan_generate_review": (
        dict(revised.INPUTS),
        {
            **revised.SCRIPT,
            "generate": [revised.WRONG],
            "revise": [revised.RIGHT] * 2,
            "review": [revised.FAIL, revised.PASS],
        },
    ),
}
FORKS = 5


@pytest.mark.requirement("S1-22")
@pytest.mark.parametrize("name", PLAYS)
def test_a_fork_of_a_play_continues_to_completion(project: Playground, name: str) -> None:
    inputs, script = PLAYS[name]
    with project.agent() as agent:
        played = drive(agent.call, project.root, name, inputs, script, person=project.approve)
        assert played.last["run_state"] == "completed"
        with project.engine.store.read() as tx:
            last = project.engine.load(tx, played.run).record.last_seq
        written = {path for works in script.values() for work in works for path in work.files}
        for place in range(FORKS):
            seq = 1 + place * (last - 1) // FORKS
            fork = fork_run(project.engine, stand_in(project.engine), played.run, str(seq)).record.id
            for path in written:
                (project.root / path).unlink(missing_ok=True)
            again = resume(agent.call, project.root, fork, script, person=project.approve)
            assert again.last["run_state"] == "completed", (seq, again.last)
            assert project.problems(fork) == []
        assert project.problems(played.run) == []
