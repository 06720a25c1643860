"""A run to which everything has happened leaves, comes in, and leaves again as the same bytes."""

from __future__ import annotations

import pytest

from tests.cli.commands.test_opinion import GATE, Models, models, opinion
from tests.cli.kept_scenes import scene
from tests.cli.machines import Machines, exported, shown
from tests.cli.scene import PIN, Terminal, phase, template

__all__ = ["models"]


LARGE = "Zeile mit Umlaut: größer ✓ 大\n" * 10_000
NAMES = {"title": "Ein Brief ✉ an Zoë — “sehr” lang", "note": "vor dem Umbau: å ß 漢字 🚀"}
TRIES = [{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]


@scene
def everything(cli: Terminal) -> str:
    """Opinions, a checkpoint, a rollback, its undo and redo, a skip, a forced phase, a large text; and odd names."""
    cli.save(
        template(
            "tale",
            phase("plan", GATE),
            phase("extra"),
            phase("write", {"kind": "command", "check": "test"}, on_fail=TRIES),
            phase("check"),
            roles={"one": {"provider": "first"}},
        )
    )
    (cli.root / "größe ✓.txt").write_text("one\n")
    run = cli.start("tale", "--title", NAMES["title"])
    assert cli.submit_work(run, "plan", "Über alles").code == 0
    name = cli.json("checkpoint", run, "--note", NAMES["note"]).data["checkpoint"]["checkpoint"]
    assert cli("skip", run, "extra", "--reason", "nicht nötig — später", pin=PIN).code == 0
    (cli.root / "größe ✓.txt").write_text("two\n")
    assert cli.submit_work(run, "write", LARGE).refusal == "gate_failed"
    for words in (("rollback", run, name, "--discard"), ("undo", run), ("redo", run)):
        assert cli.json(*words, pin=PIN).code == 0
        cli.clock.forward(minutes=1)
    assert cli("skip", run, "extra", "--reason", "wieder nicht", pin=PIN).code == 0
    for _ in range(2):
        assert cli.submit_work(run, "write", LARGE).refusal == "gate_failed"
    assert cli("force-accept", run, "write", "--reason", "Ich weiß es besser", pin=PIN).code == 0
    assert "TAINTED" in cli.json("status", run).document["summary"]
    return run


@pytest.mark.usefixtures("in_git")
def test_a_run_to_which_everything_happened_and_its_fork_come_back_byte_for_byte(
    machines: Machines, models: Models
) -> None:
    here = machines.here
    models(opinion("pass", suggestion="Größer denken ✓"))
    assert here("trust", "own", "--yes", pin=PIN).code == 0
    run = everything(here)
    fork = here.json("start", "--from", run, "--title", "Gabel ⑂", pin=PIN).document["run"]
    assert [here.submit_work(each, "check").code for each in (run, fork)] == [0, 0]
    kinds = {each["type"] for each in here.json("log", run, "--limit", "9999").data["events"]}
    assert kinds >= {"RolledBack", "CheckpointTaken", "PhaseSkipped", "PhaseForced", "AttemptFailed", "GateJudged"}
    assert here.json("opinion", "show", run).data["opinions"]
    files = {each: exported(here, each, f"{each}.json") for each in (run, fork)}
    before = {each: shown(here, each) for each in files}
    logs = {each: here("log", each, "--step").out for each in files}

    there = machines.go(machines.there)
    for file in files.values():
        assert there.json("import", str(file)).code == 0
    for each, file in files.items():
        assert there.json("verify", each).code == 0
        assert shown(there, each) == before[each]
        assert there("log", each, "--step").out == logs[each]
        assert exported(there, each).read_bytes() == file.read_bytes()
        (there.root / "run.json").unlink()
    assert there.json("artifact", "show", run, "write").data["content"]["text"] == LARGE
