"""Two runs side by side, as a person reads them."""

import pytest

from tests.cli.scene import PIN, Terminal, template


def letter(cli: Terminal, draft: str, *, rejected: bool = False, name: str = "letter") -> str:
    run = cli.start(name)
    cli.clock.forward(seconds=30)
    assert cli.submit_work(run, "draft", draft).code == 0
    cli.submit_work(run, "send", "one")
    if rejected:
        cli.clock.forward(minutes=5)
        cli("reject", run, "send", "--feedback", "longer", pin=PIN)
        cli.submit_work(run, "send", "one")
    cli.clock.forward(minutes=10)
    cli("approve", run, "send", pin=PIN)
    assert cli.state(run) == "completed"
    return run


@pytest.mark.requirement("S1-03", "S1-J7")
def test_j7_two_runs_are_put_side_by_side(cli: Terminal) -> None:
    one, two = letter(cli, "Dear Ada"), letter(cli, "Dear Eve", rejected=True)
    lines = cli("compare", one, two).out.splitlines()
    assert lines[0] == "Both phases differ."
    table = "\n".join(" ".join(line.split()) for line in lines)
    for rows in (
        f"{one} {two}",
        "title A letter A letter",
        "took 10 min 30 s 15 min 30 s",
        "draft 1 attempt, agent 30 s 1 attempt, agent 30 s, other artifact",
        "send 1 attempt, you 10 min, approval pass 2 attempts, you 15 min, approval pass, same artifact",
    ):
        assert rows in table
    assert "template: differs" not in table and "inputs: differs" not in table
    output = cli("compare", one, two).err
    assert output == f"Next: wfe-mcp artifact diff {two} draft --against {one}\n"
    assert cli(*output.split()[2:]).out.splitlines()[1:] == ['- /text: "Dear Ada"', '+ /text: "Dear Eve"']


def test_a_comparison_is_one_json_document(cli: Terminal) -> None:
    one, two = letter(cli, "Dear Ada"), letter(cli, "Dear Ada")
    document = cli.json("compare", one, two)
    assert document.document["summary"].startswith("No phase differs")
    assert [each["run"] for each in document.data["runs"]] == [one, two]
    assert [(each["phase"], each["same"], each["artifact"]) for each in document.data["phases"]] == [
        ("draft", True, "same"),
        ("send", True, "same"),
    ]
    first = document.data["phases"][1]["sides"][0]
    assert (first["state"], first["attempts"], first["seconds"], first["gates"]) == (
        "completed",
        1,
        {"human": 600.0},
        ["approval pass"],
    )


def test_runs_of_unlike_templates_and_inputs_say_how_these_differ(cli: Terminal) -> None:
    from tests.cli.scene import HUMAN, phase

    wants = {"type": "object", "properties": {"who": {"type": "string"}}}
    cli.save(template("post", phase("draft"), phase("send", HUMAN), phase("file"), inputs=wants))
    one, two = letter(cli, "Dear Ada"), cli.start("post", "-i", "who=Ada")
    out = cli("compare", one, two).out
    assert 'template: differs\n  - /name: "letter"\n  + /name: "post"\n' in out
    assert 'inputs: differs\n  + /who: "Ada"\n' in out
    phases = {each["phase"]: each for each in cli.json("compare", one, two).data["phases"]}
    assert phases["file"]["sides"][0] == {}
    assert (phases["draft"]["artifact"], phases["draft"]["sides"][1]["state"]) == ("only the first", "ready")
    assert cli.json("compare", one, "nowhere").refusal == "unknown_run"


def test_no_time_is_negative_after_the_clock_was_set_back(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.clock.forward(minutes=-20)
    compared = cli.json("compare", run, run)
    assert [side["total_s"] for side in compared.data["runs"]] == [0.0, 0.0]
    assert "took 0 s, running" in " ".join(cli("compare", run, run).out.split())


def test_what_was_worked_before_a_phase_was_skipped_counts_as_its_attempts(cli: Terminal) -> None:
    run, untouched = cli.start("letter"), cli.start("letter")
    assert cli.submit_work(run, "draft", "Dear Ada").code == 0
    cli.submit_work(run, "send", "one")
    for each in (run, untouched):
        assert cli("skip", each, "send", "--reason", "not today", pin=PIN).code == 0
    sides = cli.json("compare", run, untouched).data["phases"][1]["sides"]
    assert [(side["state"], side["attempts"]) for side in sides] == [("skipped", 1), ("skipped", 0)]
