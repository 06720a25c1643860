"""The outputs of a completed run, wherever a run is looked at."""

import shlex

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import Terminal, phase, template
from wfe_mcp.testing.client import connect


@scene
def letter(cli: Terminal, **outputs: object) -> str:
    cli.save(template("mail", phase("draft"), outputs=outputs))
    run = cli.start("mail")
    assert "outputs" not in cli.json("status", run).data, "it is not done"
    cli.submit_work(run, "draft", "hello")
    return run


@pytest.mark.requirement("S2-23")
def test_outputs_of_a_completed_run_are_in_status_show_and_what_is_read(cli: Terminal) -> None:
    run = letter(cli, text="${artifacts.draft.text}", size="${size(artifacts.draft.text)}")

    assert cli.json("status", run).data["outputs"] == {"values": {"text": "hello", "size": 5}}
    assert cli.json("artifact", "show", run, "outputs").data["content"] == {"text": "hello", "size": 5}
    for words in (("status", run), ("show", run)):
        assert "output text: hello" in cli(*words).out
        assert "output size: 5" in cli(*words).out


@pytest.mark.requirement("S2-23")
def test_a_long_output_is_named_with_the_way_to_read_it(cli: Terminal) -> None:
    cli.save(template("mail", phase("draft"), outputs={"text": "${artifacts.draft.text}", "short": "yes"}))
    run = cli.start("mail")
    cli.submit_work(run, "draft", "long " * 500)

    assert cli.json("status", run).data["outputs"] == {"values": {"short": "yes"}, "left_out": ["text"]}
    assert f"output text: wfe-mcp artifact show {run} outputs --pointer /text" in cli("status", run).out
    output = cli("artifact", "show", run, "outputs", "--pointer", "/text")
    assert output.out.count("long") > 100


@pytest.mark.requirement("S2-23")
def test_an_output_without_a_value_says_why_and_hides_no_other(cli: Terminal) -> None:
    run = letter(cli, text="${artifacts.draft.text}", first="${int(artifacts.draft.text)}")

    found = cli.json("status", run).data["outputs"]
    assert found["values"] == {"text": "hello"}
    assert found["unknown"][0].startswith("first: ")
    assert "! output first: " in cli("status", run).out


def test_a_run_whose_template_names_none_has_none_to_read(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    assert "outputs" not in cli.json("status", run).data
    assert cli.json("artifact", "show", run, "outputs").refusal == "unknown_artifact"


def test_one_long_text_is_read_whole_by_the_command_that_an_agent_reads(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft", "long " * 2_000)
    with connect(cli.root) as agent:
        answer = agent.call("read_artifact", run=run, phase="draft", pointer="/text")
    words, _, command = answer["data"]["hint"].partition(": wfe-mcp ")
    assert words == "This is the beginning of one long text. Read it whole in a shell"
    assert cli(*shlex.split(command)).out.count("long") == 2_000
