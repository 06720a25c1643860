"""Runs at a terminal: start, show, submit, wait, list."""

import json
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.engine.factory import create_engine


def test_a_run_goes_from_start_to_end_at_a_terminal(cli: Terminal) -> None:
    run = cli.start("note", "--title", "Thanks")
    (cli.root / "draft.json").write_text('{"text": "Thank you."}')
    document = cli("submit", run, "draft", "--path", "draft.json")
    assert document.code == 0
    assert document.out.startswith("Submitted draft, revision 1 of attempt 1: completed\n")
    assert cli.json("list").data["runs"][0]["title"] == "Thanks"
    assert cli.state(run) == "completed"


def test_inputs_come_one_by_one_as_json_or_from_a_file(cli: Terminal) -> None:
    wants = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "x": {}}}
    cli.save(template("ask", phase("draft"), inputs=wants))
    (cli.root / "in.json").write_text('{"n": 1, "s": "a"}')
    run = cli.start("ask", "--inputs", "@in.json", "-i", "s=2", "--input", "x=y=z")
    assert cli.json("show", run).data["inputs"] == {"n": 1, "s": "2", "x": "y=z"}
    assert "a file is named as @FILE" in cli("start", "ask", "--inputs", "in.json").err
    run = cli.start("ask", "--inputs", '{"s": "b"}', "-i", "n=7")
    assert cli.json("show", run).data["inputs"] == {"n": 7, "s": "b"}


@pytest.mark.requirement("S0-52")
def test_an_input_may_be_named_with_dashes(cli: Terminal) -> None:
    cli.save(
        template(
            "ask",
            phase("say"),
            inputs={"type": "object", "properties": {"bounded_context": {"type": "string"}}},
        )
    )
    run = cli.start("ask", "-i", "bounded-context=billing")
    assert cli.json("show", run).data["inputs"] == {"bounded_context": "billing"}


@pytest.mark.parametrize(
    "words",
    [["--inputs", "{"], ["--inputs", "[1]"], ["--inputs", "@none.json"], ["-i", "alone"], ["-i", "=1"]],
    ids=str,
)
def test_inputs_that_cannot_be_read_are_misuse(cli: Terminal, words: list[str]) -> None:
    answer = cli("start", "note", *words)
    assert answer.code == 2
    assert "Invalid value for" in answer.err


def test_inputs_the_template_does_not_want_are_refused_with_a_pointer(cli: Terminal) -> None:
    document = cli.json("start", "quick_fix", "-i", "problm=x")
    assert document.code == 1
    assert "/inputs/problem" in {each["path"] for each in document.document["error"]["details"]}
    assert "/inputs/problem" in cli("start", "quick_fix", "-i", "problm=x").err


@pytest.mark.requirement("B-08")
def test_what_the_policy_keeps_from_agents_is_started_by_a_person(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFE_POLICY_TEMPLATES", "letter")
    assert cli.json("start", "note").refusal == "needs_human"
    assert cli.json("start", "note", pin="wrong").refusal == "wrong_pin"
    assert cli.json("start", "note", pin=PIN).code == 0
    assert cli.start("letter")


def test_the_same_key_starts_the_same_run_once(cli: Terminal) -> None:
    assert cli.start("note", "--key", "k") == cli.start("note", "--key", "k")
    assert cli.json("start", "letter", "--key", "k").refusal == "conflict"


@pytest.mark.requirement("B-09", "S3-24")
def test_status_says_where_we_are_who_is_waited_for_and_what_comes_next(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    answer = cli.json("status", run).document
    assert (answer["run_state"], answer["waiting_on"]) == ("waiting", "human")
    assert answer["data"]["phases"] == [{"phase": "send", "state": "awaiting", "attempt": 1, "stage": "after"}]
    assert f"wfe-mcp approve {run} send" in answer["data"]["blockers"][0]
    assert answer["next"][0]["tool"] == "approve"
    result = cli("status", run)
    assert result.out.startswith(f'{run} "A letter": waiting for you, ')
    assert "  send   awaiting approval  attempt 1" in result.out
    assert result.err == f"Next: wfe-mcp approve {run} send\n"


@pytest.mark.requirement("B-09")
def test_status_without_a_run_shows_the_open_ones(cli: Terminal) -> None:
    assert "Next: " in cli("status").err
    first = cli.start("note")
    assert cli.json("status").document["run"] == first
    assert "waiting for the agent" in cli("status").out
    second = cli.start("letter")
    assert {each["run"] for each in cli.json("status").data["runs"]} == {first, second}
    assert first in cli("status").out and second in cli("status").out


def test_status_in_full_shows_every_phase_with_what_its_gates_said(cli: Terminal) -> None:
    run = cli.start("letter")
    assert [each["phase"] for each in cli.json("status", run).data["phases"]] == ["draft"]
    assert [each["phase"] for each in cli.json("status", run, "--full").data["phases"]] == ["draft", "send"]


def test_a_run_is_named_by_the_first_characters_of_its_id(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli.json("status", run[:6]).document["run"] == run
    for ambiguous in ("", "zzzzzzz"):
        document = cli.json("show", ambiguous)
        assert (document.code, document.refusal) == (1, "unknown_run")
        assert run in document.document["error"]["hint"]


def test_an_ambiguous_beginning_of_an_id_names_the_runs_it_could_be(cli: Terminal) -> None:
    runs: list[str] = []
    while len({run[0] for run in runs}) == len(runs):
        runs.append(cli.start("note"))
    document = cli.json("show", runs[-1][0])
    assert document.refusal == "unknown_run"
    assert all(run in document.document["error"]["message"] for run in runs if run[0] == runs[-1][0])


@pytest.mark.requirement("B-11", "S0-14", "S0-55")
def test_list_is_newest_first_and_continues_where_it_ended(cli: Terminal) -> None:
    runs: list[str] = []
    for _ in range(5):
        runs.insert(0, cli.start("note"))
        cli.clock.forward(minutes=1)
    first = cli.json("list", "--limit", "2").data
    assert [each["run"] for each in first["runs"]] == runs[:2]
    cli.start("note")  # what is begun meanwhile shifts nothing
    second = cli.json("list", "--limit", "2", "--cursor", first["cursor"]).data
    assert [each["run"] for each in second["runs"]] == runs[2:4]
    assert f"--cursor {runs[3]}" in cli("list", "--limit", "2", "--cursor", first["cursor"]).err


def test_the_next_page_of_a_list_has_the_filters_of_this_one(cli: Terminal) -> None:
    runs: list[str] = []
    for _ in range(2):
        runs.append(cli.start("note"))
        cli.clock.forward(minutes=1)
    filters = ["--template", "note", "--status", "running", "--status", "paused", "--since", "2d", "--archived"]
    answer = cli("list", "--limit", "1", *filters)
    assert answer.err == f"Next: wfe-mcp list --limit 1 --cursor {runs[1]} {' '.join(filters)}\n"


def test_list_has_a_column_that_says_who_is_waited_for(cli: Terminal) -> None:
    mine, agents, done = cli.start("letter"), cli.start("note"), cli.start("note")
    cli.submit_work(mine, "draft")
    cli.submit_work(mine, "send")
    cli.submit_work(done, "draft")
    rows = {line.split()[0]: line for line in cli("list").out.splitlines()[1:]}
    found = [
        next(word for word in ("you", "the agent", "-") if f" {word} " in rows[run]) for run in (mine, agents, done)
    ]
    assert found == ["you", "the agent", "-"]


def test_list_says_which_runs_have_weakened_gates(cli: Terminal) -> None:
    plain = cli.start("letter")
    (cli.root / ".wfe/config.toml").write_text('[templates.letter.phases.send]\napprover = "skip"\n', encoding="utf-8")
    assert cli("trust", "--yes", pin=PIN).code == 0
    weak = cli.start("letter")
    rows = {line.split()[0]: line for line in cli("list").out.splitlines()[1:]}
    assert "(1 weakened gate)" in rows[weak]
    assert "weakened" not in rows[plain]
    found = {each["run"]: each.get("weakened_gates", 0) for each in cli.json("list").data["runs"]}
    assert found == {plain: 0, weak: 1}


@pytest.mark.requirement("B-11", "S0-55")
def test_list_filters_before_it_limits(cli: Terminal) -> None:
    old = cli.start("note")
    cli("cancel", old, "--reason", "not needed")
    cli.clock.forward(hours=3)
    letter = cli.start("letter")
    cli.clock.forward(minutes=1)
    note = cli.start("note")
    found = {
        "template": cli.json("list", "--template", "letter", "--limit", "1"),
        "status": cli.json("list", "--status", "cancelled", "--limit", "1"),
        "since": cli.json("list", "--since", "1h", "--limit", "10000"),
        "from": cli.json("list", "--since", "2026-11-20T10:30:00+00:00", "--status", "running,cancelled"),
    }
    ids = {name: [each["run"] for each in answer.data["runs"]] for name, answer in found.items()}
    assert ids == {"template": [letter], "status": [old], "since": [note, letter], "from": [note, letter]}


def test_list_sorts_the_runs_of_a_template_by_the_phase_that_each_is_at(cli: Terminal) -> None:
    cli.save(template("trip", phase("plan", title="Plan it"), phase("build"), phase("ship")))
    cli.start("note")
    started: list[str] = []
    for title in ("One", "Two", "Three"):
        started.append(cli.start("trip", "--title", title))
        cli.clock.forward(minutes=1)
    done, building, planning = started
    cli.submit_work(building, "plan")
    for each in ("plan", "build", "ship"):
        cli.submit_work(done, each)
    found = cli.json("list", "--template", "trip", "--by-phase").data
    assert [(each["title"], [run["run"] for run in each.get("runs", ())]) for each in found["columns"]] == [
        ("Plan it", [planning]),
        ("build", [building]),
        ("ship", []),
    ]
    assert [each["run"] for each in found["ended"]] == [done]
    answer = cli("list", "--template", "trip", "--by-phase")
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in answer.out.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in rows[2:]] == [
        ("Plan it", planning, "Three"),
        ("build", building, "Two"),
        ("ship", "-", "-"),
        ("ended", done, "One"),
    ]
    assert rows[0] == ["trip: 3 runs"]
    first = cli("list", "--template", "trip", "--by-phase", "--limit", "1")
    assert planning in first.out
    assert first.err == f"Next: wfe-mcp list --limit 1 --cursor {planning} --template trip --by-phase\n"
    rest = cli(*first.err.removeprefix("Next: wfe-mcp ").split())
    assert (planning in rest.out, building in rest.out) == (False, True)
    assert cli("list", "--template", "none", "--by-phase").out == "No runs.\n"
    no = cli.json("list", "--by-phase")
    assert (no.code, no.refusal) == (1, "bad_argument")
    assert "--template NAME" in no.document["error"]["hint"]


def test_list_names_what_it_does_not_understand(cli: Terminal) -> None:
    assert "Did you mean 'running'?" in cli("list", "--status", "runing").err
    assert "Next: one of: pending" in cli("list", "--status", "zzz").err
    assert cli("list", "--since", "yesterday").code == 2
    assert cli("list", "--limit", "10001").code == 2


def test_a_failed_gate_ends_submit_with_1_and_keeps_the_revision(cli: Terminal) -> None:
    run = cli.start("code")
    (cli.root / "draft.json").write_text('{"text": "done, honestly"}')
    document = cli("submit", run, "build", "--path", "draft.json", "--note", "trust me")
    assert document.code == 1
    assert document.err.startswith("error: ") and "[gate_failed]" in document.err
    assert "The user decides: wfe-mcp retry " in document.err
    (kept,) = cli.json("artifact", "show", run).data["artifacts"]
    assert (kept["revision"], kept["note"]) == (1, "trust me")


@pytest.mark.requirement("S0-26")
def test_gates_run_in_the_waiting_process_when_no_server_lives(cli: Terminal) -> None:
    (cli.root / "ok").touch()
    run = cli.start("code")
    answer = cli.submit_work(run, "build").document
    assert (answer["state"], answer["run_state"]) == ("completed", "completed")
    assert answer["data"]["verdicts"][0]["verdict"] == "pass"


@pytest.mark.requirement("B-20")
def test_what_a_check_runs_is_frozen_when_the_run_starts(cli: Terminal) -> None:
    run = cli.start("code")
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text().replace("sys.exit(not", "sys.exit(0 and"))
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert cli.submit_work(run, "build").refusal == "gate_failed"


def test_an_invalid_artifact_is_named_place_by_place(cli: Terminal) -> None:
    run = cli.start("note")
    (cli.root / "draft.json").write_text('{"txt": 1}')
    document = cli("submit", run, "draft", "--path", "draft.json")
    assert document.code == 1
    assert "/text: " in document.err
    assert f"Next: wfe-mcp submit {run} draft --path FILE" in document.err


def test_a_file_is_found_from_where_one_stands(cli: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (cli.root / "deep").mkdir()
    (cli.root / "deep" / "mine.json").write_text('{"text": "a"}')
    runs = [cli.start("note") for _ in range(3)]
    monkeypatch.chdir(cli.root / "deep")
    project = ("--project", str(cli.root))
    assert cli("submit", runs[0], "draft", "--path", "mine.json", *project).code == 0
    assert cli("submit", runs[1], "draft", "--path", "deep/mine.json", *project).code == 0
    assert cli("submit", runs[2], "draft", "--path", str(cli.root / "deep" / "mine.json"), *project).code == 0
    (tmp_path / "else.json").write_text('{"text": "a"}')
    assert cli.json("submit", cli.start("note", *project), "draft", "--path", "../../else.json", *project).refusal == (
        "path_outside_project"
    )


def test_an_attempt_that_is_closed_takes_nothing(cli: Terminal) -> None:
    run = cli.start("note")
    (cli.root / "draft.json").write_text('{"text": "a"}')
    assert cli.json("submit", run, "draft", "--path", "draft.json", "--attempt", "2").refusal == "stale_revision"
    assert cli("submit", run, "draft", "--path", "draft.json", "--attempt", "1").code == 0


def test_an_artifact_is_printed_whole(cli: Terminal) -> None:
    run = cli.start("note")
    text = "long " * 3000
    cli.submit_work(run, "draft", text)
    assert cli.json("artifact", "show", run, "draft").data["content"] == {"text": text}
    assert cli.json("artifact", "show", run, "draft", "--pointer", "/text").data["content"] == text
    assert cli("artifact", "show", run, "draft", "--pointer", "/text").out == f"{text}\n"
    assert json.loads(cli("artifact", "show", run, "draft").out) == {"text": text}
    assert "draft     draft  1 " in cli("artifact", "show", run).out
    assert cli.json("artifact", "show", run, "drafd").refusal == "unknown_artifact"


def test_two_revisions_are_compared_field_by_field(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send", "one")
    assert cli.json("artifact", "diff", run, "send").refusal == "unknown_artifact"
    cli("reject", run, "send", "--feedback", "again", pin=PIN)
    cli.submit_work(run, "send", "two")
    assert cli.json("artifact", "diff", run, "send").data["difference"] == [
        {"path": "/text", "old": "one", "new": "two"}
    ]
    out = cli("artifact", "diff", run, "send", "--against", "1", "--revision", "2").out
    assert out == 'send revision 1 -> 2\n- /text: "one"\n+ /text: "two"\n'


def test_a_submission_under_its_gates_is_withdrawn_without_a_pin(cli: Terminal) -> None:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import CLI_HOLDER
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.workspace.system.location import project_at

    run = cli.start("code")
    engine = create_engine(project_at(cli.root), clock=cli.clock, holder=CLI_HOLDER)
    answers.start_phase(engine, By(), run)
    answers.submit_artifact(engine, By(), run, "build", artifact={"text": "x"})
    engine.close()
    answer = cli.json("reject", run, "build", "--feedback", "too early").document
    assert (answer["state"], answer["data"]["phases"][0]["attempt"]) == ("ready", 2)


def test_stale_runs_are_listed_and_one_command_puts_them_away(cli: Terminal) -> None:
    old = cli.start("note")
    cli.clock.forward(days=8)
    new = cli.start("note")

    listed = cli.json("list").data["runs"]
    assert {row["run"]: row.get("stale", False) for row in listed} == {old: True, new: False}
    assert [row["run"] for row in cli.json("list", "--stale").data["runs"]] == [old]
    assert cli.json("list", "--stale", "--status", "paused").data["runs"] == []
    assert cli.json("list", "--stale", "--status", "completed").refusal == "bad_argument"
    assert "running (stale)" in cli("list").out

    answer = cli("cancel", "--stale", "--reason", "too old")
    assert answer.out.startswith("Cancelled and archived 1 stale run")
    assert (cli.state(old), cli.state(new)) == ("cancelled", "running")
    assert "cancelled (archived)" in cli("list", "--archived").out
    assert cli.json("cancel", "--stale").data["runs"] == []
    assert [cli("cancel").code, cli("cancel", new, "--stale").code] == [2, 2]


@pytest.mark.requirement("S2-23")
def test_runs_are_found_by_what_triggered_them(cli: Terminal) -> None:
    pushed = cli.start("note", "--triggered-by", "push", "--external-id", "gh-77")
    cli.start("note", "--triggered-by", "schedule")

    (row,) = cli.json("list", "--triggered-by", "push").data["runs"]
    assert (row["run"], row["external_id"]) == (pushed, "gh-77")
    assert [row["run"] for row in cli.json("list", "--external-id", "gh-77").data["runs"]] == [pushed]
    assert cli.json("list", "--external-id", "gh-78").data["runs"] == []


@pytest.mark.requirement("S2-16")
def test_show_brings_the_manifest_of_the_run(cli: Terminal) -> None:
    first, second = cli.start("note"), cli.start("note")
    for run in (first, second):
        cli.submit_work(run, "draft")
    made = cli.json("show", first).data["manifest"]
    assert made["score"] == {"runs": 2, "same_outputs": 2, "share": 1.0}
    assert made["outputs_hash"] == cli.json("show", second).data["manifest"]["outputs_hash"]
    output = f"inputs {made['inputs_hash'][:12]}, outputs {made['outputs_hash'][:12]}; 2 of 2 runs"
    assert output in cli("show", first).out


@pytest.mark.requirement("S2-18")
def test_list_shows_and_filters_by_the_states_of_a_template(cli: Terminal) -> None:
    states = {"OPEN": ["SENT"], "SENT": []}
    cli.save(template("issue", phase("draft", reaches="SENT", skip="never"), states=states, initial_state="OPEN"))
    sent, is_open, plain = cli.start("issue"), cli.start("issue"), cli.start("note")
    assert cli.submit_work(sent, "draft").code == 0
    rows = {row["run"]: row.get("reached", "") for row in cli.json("list").data["runs"]}
    assert rows == {sent: "SENT", is_open: "OPEN", plain: ""}
    assert [row["run"] for row in cli.json("list", "--state", "SENT").data["runs"]] == [sent]
    assert {row["run"] for row in cli.json("list", "--state", "SENT,OPEN").data["runs"]} == {sent, is_open}
    shown = cli("list").out
    assert shown.split("\n")[0].split()[:3] == ["RUN", "STATUS", "STATE"], "the words of --status and --state"
    assert "SENT" in shown
    assert "  state: SENT" in cli("status", sent).out
    assert "Runs of this project are in: OPEN, SENT." in cli("list", "--state", "DONE").out
