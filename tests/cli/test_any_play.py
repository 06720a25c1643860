"""Whatever a person and an agent do, in any order: each command answers, and the record is intact here and on another machine.

``WFE_ACCEPTANCE=whole`` plays a hundred; else one of each template.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.scene import WHOLE
from tests.cli.machines import Machines, exported
from tests.cli.scene import CHECK, HUMAN, PIN, Said, Terminal, phase, template

PLAYS, MOVES = 100 if WHOLE else 5, 60
ITEMS = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"type": "object", "required": ["id"]}}},
}


def long_enough(name: str) -> dict[str, Any]:
    return {"kind": "expr", "assert": f"${{size(artifacts.{name}.text) > 3}}"}


def back(name: str, to: str) -> list[dict[str, Any]]:
    return [{"if": f"${{artifacts.{name}.text == 'back'}}", "goto": to, "max": 2}]


LISTED = {"artifact": "plan", "schema": ITEMS, "editable": True}
EACH_STEP = {"in": "${artifacts.plan.items}", "as": "step", "on_item_fail": "block"}
TEMPLATES = (
    template(
        "chain",
        phase("plan", HUMAN),
        phase("build", long_enough("build"), CHECK, on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]),
        phase("review", long_enough("review"), next=back("review", "build")),
        phase("accept", HUMAN),
    ),
    template(
        "listed",
        {"id": "plan", "prompt": "List the steps.", "output": LISTED, "gates": [HUMAN]},
        {
            "id": "steps",
            "kind": "loop",
            "for_each": EACH_STEP,
            "phases": [phase("work", long_enough("work")), phase("look", HUMAN, next=back("look", "work"))],
        },
        phase("sum", HUMAN),
    ),
    template(
        "side_by_side",
        phase("a", needs=[], auto_proceed=False),
        phase("b", HUMAN, needs=[]),
        phase("c", long_enough("c"), needs=["a", "b"], when="${artifacts.a.text != 'back'}"),
        phase("d", CHECK, HUMAN, needs=["c"], on_fail=[{"do": "goto", "phase": "a", "max": 2}, {"do": "fail"}]),
        limits={"max_parallel": 3},
    ),
    template(
        "life",
        phase("spec", reaches="BUILT", skip="never"),
        phase("fix", HUMAN, begins="OPEN", reaches="BUILT", skip="never"),
        phase("ship", HUMAN, reaches="DONE", skip="never"),
        states={"OPEN": ["BUILT"], "BUILT": ["OPEN", "DONE"], "DONE": []},
        initial_state="OPEN",
    ),
    template(
        "rounds",
        {
            "id": "round",
            "kind": "loop",
            "until": {"if": "${artifacts.draft.text == 'done'}", "max": 4},
            "phases": [phase("draft", long_enough("draft")), phase("judge", HUMAN)],
        },
        phase("end"),
    ),
)


@dataclass
class Play:
    """One project in which anything happens. ``typed``: what was done, shown where a play fails."""

    cli: Terminal
    chance: random.Random
    runs: list[str] = field(default_factory=list[str])
    typed: list[tuple[tuple[str, ...], Said]] = field(default_factory=list[tuple[tuple[str, ...], Said]])

    def do(self, *words: str, pin: bool = True) -> Said:
        """Type a command, which may be refused, but never by a fault of ours."""
        said = self.cli.json(*words, pin=PIN if pin else None)
        self.typed.append((words, said))
        assert said.document["ok"] or said.refusal != "internal", (words, said, self.typed)
        return said

    def move(self) -> None:
        """Do one thing to one of the runs."""
        run = self.chance.choice(self.runs)
        status = self.do("status", run, pin=False)
        open_phases = {view["phase"]: view["state"] for view in status.data["phases"]}
        self.cli.clock.forward(seconds=self.chance.choice([1, 5, 60]))
        move = self.chance.choice(EVERY_MOVE)
        move(self, run, open_phases)

    def draft(self, name: str = "") -> str:
        """A file with an artifact, often one that its gates pass."""
        text = {"text": self.chance.choice(["hello", "hello", "long enough", "done", "back", "x"])}
        items = {"items": [{"id": f"S-{number}"} for number in range(self.chance.randint(1, 3))]}
        is_list = name == "plan" and self.chance.random() < 0.9
        (self.cli.root / "draft.json").write_text(json.dumps(items if is_list else text))
        return "draft.json"

    def any_of(self, names: Sequence[str]) -> str:
        return self.chance.choice(names or ["plan"])

    def checkpoint(self, run: str) -> str:
        """One that the run has, or has not."""
        kept = self.do("checkpoints", run, pin=False).data["checkpoints"]
        return self.any_of([view["checkpoint"] for view in kept] or ["cp-1"])


Move = Callable[[Play, str, dict[str, str]], object]


def submit(play: Play, run: str, phases: dict[str, str]) -> None:
    workable = [name for name, state in phases.items() if state in {"running", "ready"}]
    name = play.any_of(workable or [*phases])
    play.do("submit", run, name, "--path", play.draft(name), pin=False)


def approve(play: Play, run: str, phases: dict[str, str]) -> None:
    for name in phases:
        play.do("approve", run, name)


def change_a_file(play: Play, run: str, phases: dict[str, str]) -> None:
    (play.cli.root / f"file-{play.chance.randint(0, 3)}.txt").write_text(str(play.chance.random()))


def roll_back(play: Play, run: str, phases: dict[str, str]) -> None:
    play.do("rollback", run, play.checkpoint(run), *play.chance.choice([(), ("--discard",), ("--no-files",)]))


def fork(play: Play, run: str, phases: dict[str, str]) -> None:
    at = play.chance.choice(["", f"@{play.checkpoint(run)}", f"@{play.chance.randint(1, 30)}"])
    if len(play.runs) < 3 and (forked := play.do("start", "--from", run + at)).code == 0:
        play.runs.append(forked.document["run"])


def undo_files(play: Play, run: str, phases: dict[str, str]) -> None:
    play.do(play.chance.choice(["undo", "redo"]), run, "--files", "--discard")


def command(*words: str, phase: bool = False, pin: bool = True) -> Move:
    """The command ``words[0]`` for the run, or for one of its phases, with the other words after it."""
    return lambda play, run, phases: play.do(
        words[0], run, *([play.any_of([*phases])] if phase else []), *words[1:], pin=pin
    )


EVERY_MOVE: list[Move] = [
    *[submit] * 9,
    *[approve] * 5,
    *[command("undo")] * 2,
    *[command("resume")] * 2,
    command("redo"),
    command("pause"),
    command("proceed"),
    command("checkpoint", pin=False),
    command("reject", "--feedback", "No.", phase=True),
    command("retry", phase=True),
    command("skip", "--reason", "Not now.", phase=True),
    command("force-accept", "--reason", "Good enough.", phase=True),
    lambda play, run, phases: play.do("edit", run, play.any_of([*phases]), "--path", play.draft()),
    change_a_file,
    roll_back,
    undo_files,
    fork,
]


@pytest.mark.parametrize("seed", range(PLAYS))
def test_after_any_play_the_record_is_intact_and_moves_to_another_machine(
    machines: Machines, in_git: None, seed: int
) -> None:
    cli, there = machines.here, machines.there
    for definition in TEMPLATES:
        cli.save(definition)
    (cli.root / ".gitignore").write_text("draft.json\n*.bundle\n")
    (cli.root / "ok").write_text("")
    play = Play(cli, random.Random(seed))
    play.runs.append(cli.start(TEMPLATES[seed % len(TEMPLATES)]["name"]))
    for _ in range(MOVES):
        play.move()
    verified = cli.json("verify")
    assert verified.code == 0, (verified, play.typed)
    for run in play.runs:
        log = cli.json("log", run).data
        bundle = exported(cli, run, f"{run}.bundle")
        machines.go(there)
        assert there.json("import", str(bundle)).code == 0, play.typed
        assert there.json("log", run).data == log
        verified = there.json("verify")
        assert verified.code == 0, (verified, play.typed)
        machines.go(cli)
    play.do("cancel", play.runs[0], "--yes", pin=False)
    play.do("prune", play.runs[0])
    verified = cli.json("verify")
    assert verified.code == 0, (verified, play.typed)
