"""An artifact beside another one, as a person reads it."""

import json

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal, phase, template


@pytest.fixture
@scene
def steps(cli: Terminal) -> str:
    """A run of a plan whose first revision was rejected."""
    cli.save(
        template(
            "planned", phase("plan", {"kind": "approval"}, output={"artifact": "plan", "schema": {"type": "object"}})
        )
    )
    run = cli.start("planned")
    submit_work(cli, run, [("S-1", "Write it"), ("S-2", "Test it")], "# Why\n\nIt is slow.\n")
    cli("reject", run, "plan", "--feedback", "measure first", pin=PIN)
    submit_work(
        cli, run, [("S-0", "Measure it"), ("S-1", "Write it"), ("S-2", "Test it twice")], "# Why\n\nIt was slow.\n"
    )
    return run


def submit_work(cli: Terminal, run: str, steps: list[tuple[str, str]], why: str) -> None:
    value = {"why": why, "steps": [{"id": name, "title": title} for name, title in steps]}
    (cli.root / "plan.json").write_text(json.dumps(value))
    assert cli.json("submit", run, "plan", "--path", "plan.json").code == 0


@pytest.mark.requirement("S1-03", "S1-J5")
def test_j5_what_changed_is_read_item_by_item_and_text_line_by_line(cli: Terminal, steps: str) -> None:
    answer = cli("artifact", "diff", steps, "plan")
    assert answer.code == 0
    assert answer.out == (
        "plan revision 1 -> 2\n"
        '+ /steps/0: {"id": "S-0", "title": "Measure it"}\n'
        '- /steps/2/title: "Test it"\n'
        '+ /steps/2/title: "Test it twice"\n'
        "~ /why:\n"
        "    @@ -1,4 +1,4 @@\n"
        "     # Why\n"
        "     \n"
        "    -It is slow.\n"
        "    +It was slow.\n"
        "     \n"
    )


def test_an_artifact_is_compared_with_an_attempt_a_part_or_itself(cli: Terminal, steps: str) -> None:
    of = ("artifact", "diff", steps, "plan")
    assert cli.json(*of, "--against", "attempt:1").data == cli.json(*of).data
    assert cli(*of, "--pointer", "/why").out.count("/steps") == 0
    assert cli(*of, "--against", "2").out == "plan revision 2 -> 2\nNo difference.\n"
    assert cli(*of, "--against", "attempt:9").err.startswith("error: Phase 'plan' has no attempt 9")


@pytest.mark.requirement("S1-03")
def test_j7_an_artifact_is_compared_with_that_of_another_run(cli: Terminal, steps: str) -> None:
    other = cli.start("planned")
    submit_work(
        cli, other, [("S-2", "Test it twice"), ("S-0", "Measure it"), ("S-1", "Write it")], "# Why\n\nIt was slow.\n"
    )
    answer = cli("artifact", "diff", other, "plan", "--against", steps)
    assert answer.out == f"plan run {steps}, revision 2 -> 1\n~ /steps/0: moved from /steps/2\n"
    assert (
        cli.json("artifact", "diff", other, "plan")
        .document["error"]["hint"]
        .endswith("Name another run to compare with: --against RUN2")
    )
