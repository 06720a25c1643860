"""``edit``: a person corrects an artifact, also after its attempt failed; refused drafts are listed and readable."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.scene import CHECK, HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from tests.cli.scene import Terminal


def write(cli: Terminal, value: object) -> str:
    (cli.root / "mine.json").write_text(json.dumps(value))
    return "mine.json"


def refused_twice(cli: Terminal) -> str:
    """A run with a refused draft in each of two phases; the second phase failed by it."""
    cli.save(template("pair", phase("one"), phase("two"), limits={"max_invalid": 2}))
    run = cli.start("pair")
    bad = write(cli, {"text": 1})
    assert cli.json("submit", run, "one", "--path", bad).refusal == "invalid_artifact"
    assert cli.submit_work(run, "one").code == 0
    for value in ({"text": 2}, {"text": 3}):
        assert cli.json("submit", run, "two", "--path", write(cli, value)).refusal == "invalid_artifact"
    return run


def test_an_attempt_that_failed_by_a_gate_is_edited_and_its_gates_run_again(cli: Terminal):
    run = cli.start("code")
    cli.submit_work(run, "build")
    assert f"wfe-mcp retry {run} build (or: skip, force-accept, edit)" in cli.json("status", run).data["blockers"][0]
    assert cli.json("edit", run, "build", "--path", write(cli, {"text": "better"})).refusal == "needs_human"
    (cli.root / "ok").touch()
    done = cli.json("edit", run, "build", "--path", write(cli, {"text": "better"}), pin=PIN)
    assert (done.document["run_state"], done.data["revision"]) == ("completed", 2)
    assert cli.json("artifact", "show", run, "build").data["content"] == {"text": "better"}


@pytest.mark.requirement("E-09", "S1-11")
def test_an_attempt_that_failed_by_invalid_artifacts_is_edited_from_a_draft(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
):
    run = refused_twice(cli)
    program = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text().replace('2', '\"two\"'))"
    (cli.root / "editor.py").write_text(program)
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(cli.root / "editor.py")]))
    assert cli.json("edit", run, "two", "--draft", "1", pin=PIN).document["run_state"] == "completed"
    assert cli.json("artifact", "show", run, "two").data["content"] == {"text": "two"}


def test_an_edit_that_is_invalid_or_changes_nothing_is_refused_and_changes_nothing(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
):
    run = refused_twice(cli)
    before = cli.json("log", run).data["events"]
    bad = cli.json("edit", run, "two", "--path", write(cli, {"text": 4}), pin=PIN)
    assert (bad.refusal, bad.document["error"]["details"][0]["path"]) == ("invalid_artifact", "/text")
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, "-c", "0"]))
    assert "You changed nothing" in cli.json("edit", run, "two", pin=PIN).document["error"]["message"]
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR", raising=False)
    assert cli.json("edit", run, "two", pin=PIN).document["error"]["message"] == "No editor is set."
    assert cli.json("edit", run, "two", "--draft", "9", pin=PIN).refusal == "unknown_artifact"
    assert cli.json("log", run).data["events"] == before


def test_what_was_written_in_the_editor_survives_its_refusal_and_the_hint_submits_it(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
):
    run = refused_twice(cli)
    monkeypatch.setenv("TMPDIR", str(cli.root))
    monkeypatch.setattr("tempfile.tempdir", None)
    for text, refusal in (('{"text": "long work",', "invalid_artifact"), ('{"text": "long work"}', "needs_human")):
        (cli.root / "editor.py").write_text(f"import pathlib, sys; pathlib.Path(sys.argv[1]).write_text({text!r})")
        monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(cli.root / "editor.py")]))
        refused = cli.json("edit", run, "two")
        assert refused.refusal == refusal
    command = shlex.split(refused.document["error"]["hint"].rpartition("What you wrote is kept: wfe-mcp ")[2])
    assert cli.json(*command, pin=PIN).document["run_state"] == "completed"
    assert cli.json("artifact", "show", run, "two").data["content"] == {"text": "long work"}


def test_no_editor_opens_where_no_edit_is_possible(cli: Terminal, monkeypatch: pytest.MonkeyPatch):
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    cli.submit_work(run, "send")
    assert cli("approve", run, "send", pin=PIN).code == 0
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, "-c", "open('opened', 'w')"]))
    refused = cli.json("edit", run, "send", pin=PIN)
    assert (refused.refusal, (cli.root / "opened").exists()) == ("illegal_transition", False)
    assert f"wfe-mcp retry {run} send" in refused.document["error"]["hint"]


def test_an_artifact_that_awaits_approval_is_edited(cli: Terminal):
    cli.save(template("asked", phase("send", HUMAN)))
    run = cli.start("asked")
    cli.submit_work(run, "send")
    done = cli.json("edit", run, "send", "--path", write(cli, {"text": "mine"}), pin=PIN)
    assert (done.document["state"], done.data["revision"]) == ("awaiting", 2)


@pytest.mark.requirement("E-09", "S1-11")
def test_refused_drafts_are_listed_and_each_can_be_read(cli: Terminal):
    run = refused_twice(cli)
    for words in (("show", run), ("artifact", "show", run)):
        drafts = [line.split()[:4] for line in cli(*words).out.splitlines() if line.startswith("draft:")]
        assert drafts == [["draft:1", "one", "1", "1"], ["draft:1", "two", "1", "1"], ["draft:2", "two", "1", "1"]]
    assert [one["phase"] for one in cli.json("show", run).data["drafts"]] == ["one", "two", "two"]
    for name, number, text in (("one", 1, 1), ("two", 1, 2), ("two", 2, 3)):
        seen = cli.json("artifact", "show", run, name, "--draft", str(number))
        assert seen.data["content"] == {"text": text}
    shown = cli("artifact", "show", run, "two", "--draft", "2").out
    assert "! /text: " in shown
    assert '"text": 3' in shown


def test_a_long_draft_says_where_it_is_cut_and_how_to_read_its_parts(cli: Terminal):
    cli.save(template("letter", phase("one")))
    run = cli.start("letter")
    assert cli.json("submit", run, "one", "--path", write(cli, {"text": 1, "more": "x" * 20_000})).code == 1
    assert "2       2026-11-20T08:00:00Z\n" in cli("show", run).out, "as other tables have a time"
    said = cli("artifact", "show", run, "draft:1").out
    assert "… cut here, of 20,023 bytes. --pointer /NAME prints a part: text, more" in said
    assert cli("artifact", "show", run, "draft:1", "--pointer", "/text").out.splitlines()[-1] == "1"


def test_what_the_server_makes_itself_is_not_edited(cli: Terminal):
    steps = {"id": "go", "kind": "steps", "steps": [{"id": "a", "check": "test"}], "on_fail": [{"do": "wait_human"}]}
    cli.save(template("worked", steps, phase("end", CHECK)))
    run = cli.start("worked")
    assert cli.json("edit", run, "go", "--path", write(cli, {}), pin=PIN).refusal == "illegal_transition"
