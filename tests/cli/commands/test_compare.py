"""Two runs side by side, as a person reads them."""

import pytest

from tests.cli.scene import PIN, Terminal, template


def letter(cli: Terminal, draft: str, *, rejected: bool = False, name: str = "letter") -> str:
    run = cli.start(name)
    cli.clock.forward(seconds=30)
    assert cli.hand_in(run, "draft", draft).code == 0
    cli.hand_in(run, "send", "one")
    if rejected:
        cli.clock.forward(minutes=5)
        cli("reject", run, "send", "--feedback", "longer", pin=PIN)
        cli.hand_in(run, "send", "one")
    cli.clock.forward(minutes=10)
    cli("approve", run, "send", pin=PIN)
    assert cli.state(run) == "completed"
    return run


@pytest.mark.requirement("S1-03")
def test_j7_two_runs_are_put_side_by_side(cli: Terminal) -> None:
    one, two = letter(cli, "Dear Ada"), letter(cli, "Dear Eve", rejected=True)
    lines = cli("compare", one, two).out.splitlines()
    assert lines[0] == f"2 of 2 phases went another way: {one} beside {two}"
    table = "\n".join(" ".join(line.split()) for line in lines)
    for told in (
        f"{one} A letter letter 1.0.0 completed 1 10 min 30 s human 10 min, agent 30 s",
        f"{two} A letter letter 1.0.0 completed 1 15 min 30 s human 15 min, agent 30 s",
        "template: the same", "inputs: the same",
        f"draft {one} completed 1 agent 30 s differs", f"{two} completed 1 agent 30 s",
        f"send {one} completed 1 approval pass human 10 min same", f"{two} completed 2 approval pass human 15 min",
        f"how it differs: wfe-mcp artifact diff {two} draft --against {one}",
    ):  # fmt: skip
        assert told in table
    assert cli(*lines[-1].split()[4:]).out.splitlines()[1:] == ['- /text: "Dear Ada"', '+ /text: "Dear Eve"']


def test_a_comparison_is_one_json_document(cli: Terminal) -> None:
    one, two = letter(cli, "Dear Ada"), letter(cli, "Dear Ada")
    said = cli.json("compare", one, two)
    assert said.document["summary"].startswith("All phases went the same way")
    assert [each["run"] for each in said.data["runs"]] == [one, two]
    assert [(each["phase"], each["same"], each["artifact"]) for each in said.data["phases"]] == [
        ("draft", True, "same"), ("send", True, "same"),
    ]  # fmt: skip
    first = said.data["phases"][1]["sides"][0]
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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, ""), (0.25, "0.25 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3660, "1 h 1 min"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_a_time_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    from wfe_mcp.cli.commands.compare import span

    assert span(seconds) == said
