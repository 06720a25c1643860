"""``fork`` at a terminal: a run starts from another run's earlier state."""

import json

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template


@pytest.fixture
@scene
def letter(cli: Terminal) -> str:
    """A letter whose draft is done and whose sending was approved."""
    run = cli.start("letter", "--title", "Thanks")
    cli.submit_work(run, "draft", "Dear Ada")
    cli.clock.forward(minutes=1)
    cli.submit_work(run, "send", "one")
    cli.clock.forward(minutes=1)
    assert cli("approve", run, "send", "--comment", "well said", pin=PIN).code == 0
    return run


def seq_of(cli: Terminal, run: str, type_: str, phase: str = "") -> int:
    events = cli.json("log", run).data["events"]
    return next(each["seq"] for each in events if each["type"] == type_ and each["payload"].get("phase", "") == phase)


def fork(cli: Terminal, origin: str, *words: str, pin: str | None = None) -> str:
    document = cli.json("start", "--from", origin, *words, pin=pin)
    assert document.code == 0, document.out
    return document.document["run"]


@pytest.mark.requirement("S1-22")
def test_a_run_begins_at_an_event_of_another_one_and_continues_to_its_end(cli: Terminal, letter: str) -> None:
    before = cli.json("log", letter).data["events"]
    at = seq_of(cli, letter, "PhaseCompleted", "draft")
    answer = cli("start", "--from", f"{letter}@{at}")
    assert answer.code == 0
    made = cli.json("list").data["runs"][0]["run"]
    assert answer.out.startswith(
        f'Started {made} "Thanks (fork of {letter})" (letter 1.0.0, forked from {letter} at event {at}).\n'
    )
    assert cli.json("artifact", "show", made, "draft").data["content"] == {"text": "Dear Ada"}
    cli.submit_work(made, "send", "another")
    assert cli.json("approve", made, "send", pin=PIN).document["run_state"] == "completed"
    assert cli.json("artifact", "diff", made, "send", "--against", letter).data["difference"] == [
        {"path": "/text", "old": "one", "new": "another"}
    ]
    assert cli.json("log", letter).data["events"] == before
    assert cli.json("verify").code == 0


@pytest.mark.requirement("S1-22")
def test_a_fork_says_where_it_comes_from_and_who_decided_there(cli: Terminal, letter: str) -> None:
    made = fork(cli, letter, "--title", "Thanks, once more")
    shown = cli.json("show", made).data
    last = cli.json("log", letter).data["events"][-1]
    assert shown["forked_from"] == {"run": letter, "event": last["seq"], "hash": last["hash"]}
    assert [(each["decision"], each["run"], each["comment"]) for each in shown["decisions"]] == [
        ("approved", letter, "well said")
    ]
    assert [(each["state"], each["phase"]) for each in shown["requests"]] == [("approved", "send")]
    text = cli("show", made).out
    assert f"forked from {letter} at event {last['seq']}" in text
    assert f"in run {letter}: well said" in text
    assert f"RunForked ada (cli, agent) ada forked this run from run {letter}, event {last['seq']}" in " ".join(
        cli("log", made).out.split()
    )
    again = fork(cli, made)
    assert [each["run"] for each in cli.json("show", again).data["decisions"]] == [letter]
    assert cli.json("verify").code == 0


def test_decisions_in_a_fork_stay_verified_after_a_run_that_it_comes_from_was_pruned(
    cli: Terminal, in_git: None
) -> None:
    cli.save(template("contract", phase("offer", HUMAN), phase("sign", HUMAN)))
    runs = [cli.start("contract")]
    cli.submit_work(runs[0], "offer")
    assert cli("approve", runs[0], "offer", pin=PIN).code == 0
    for _ in range(2):
        runs.append(fork(cli, runs[-1]))
    cli.submit_work(runs[-1], "sign")
    assert cli("approve", runs[-1], "sign", pin=PIN).code == 0
    assert cli("retry", runs[-1], "offer", pin=PIN).code == 0  # its decision shows what was approved before
    cli.submit_work(runs[-1], "offer")
    assert cli("approve", runs[-1], "offer", pin=PIN).code == 0
    for run in runs[:2]:
        assert cli("cancel", run, "--yes").code == 0
        assert cli("prune", run, pin=PIN).code == 0
        verified = cli.json("verify")
        assert verified.code == 0, verified


def test_a_fork_of_an_untouched_fork_asks_again_only_where_the_files_are_others(cli: Terminal, in_git: None) -> None:
    cli.save(template("contract", phase("offer", HUMAN), phase("sign", HUMAN)))
    run = cli.start("contract")
    cli.submit_work(run, "offer")
    assert cli("approve", run, "offer", pin=PIN).code == 0

    def offers() -> list[str]:
        return [cli.json("show", made).data["phases"][0]["state"] for made in forks]

    forks = [run]
    for _ in range(3):
        forks.append(fork(cli, forks[-1]))
    assert offers() == ["completed"] * 4
    cli.root.joinpath("terms.txt").write_text("other terms")
    forks.append(fork(cli, forks[-1]))
    forks.append(fork(cli, forks[-1]))
    assert offers() == ["completed"] * 4 + ["awaiting"] * 2


def test_the_title_of_a_fork_names_its_origin_alone_or_is_the_one_that_was_given(cli: Terminal, letter: str) -> None:
    first = fork(cli, letter)
    second = fork(cli, first)
    fork(cli, second, "--title", "Once more")
    long = fork(cli, fork(cli, letter, "--title", "x " * 59))
    titles = {row["run"]: row["title"] for row in cli.json("list").data["runs"]}
    assert titles[first] == f"Thanks (fork of {letter})"
    assert titles[second] == f"Thanks (fork of {first})"
    assert "Once more" in titles.values()
    assert len(titles[long]) <= 120


def test_a_completed_run_is_forked_to_try_a_part_of_it_again(cli: Terminal, letter: str) -> None:
    made = fork(cli, letter)
    assert cli.json("retry", made, "send", "--feedback", "shorter", pin=PIN).code == 0
    assert (cli.state(letter), cli.state(made)) == ("completed", "running")
    cli.submit_work(made, "send", "short")
    assert cli.json("approve", made, "send", pin=PIN).document["run_state"] == "completed"
    assert cli.json("compare", letter, made).data["phases"][0]["artifact"] == "same"


def test_the_time_of_a_fork_counts_from_its_own_beginning(cli: Terminal, letter: str) -> None:
    made = fork(cli, f"{letter}@{seq_of(cli, letter, 'PhaseCompleted', 'draft')}", pin=PIN)
    cli.clock.forward(minutes=3)
    cli.submit_work(made, "send", "another")
    sides = [each["sides"][1].get("seconds", {}) for each in cli.json("compare", letter, made).data["phases"]]
    assert sides == [{}, {"agent": 180.0}]


@pytest.mark.attack("cancel or pause is left behind by a fork from before it", "held")
def test_behind_what_a_person_stopped_only_a_person_forks(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    at = len(cli.json("log", run).data["events"])
    cli("pause", run, "--reason", "wait for Eve")
    error = cli.json("start", "--from", f"{run}@{at}").document["error"]
    assert (error["code"], f"the pause (event {at + 1})" in error["message"]) == ("needs_human", True)
    assert error["hint"].endswith(f"wfe-mcp start --from {run}@{at}")
    paused = fork(cli, run)
    assert (cli.state(paused), cli.json("resume", paused).refusal) == ("paused", "needs_human")
    assert cli.state(fork(cli, f"{run}@{at}", pin=PIN)) == "running"


def test_what_the_policy_keeps_from_agents_is_forked_by_a_person(
    cli: Terminal, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFE_POLICY_TEMPLATES", "note")
    for origin in (letter, f"{letter}@2"):
        error = cli.json("start", "--from", origin).document["error"]
        assert (error["code"], error["hint"].rpartition(" ")[2]) == ("needs_human", origin)
    assert fork(cli, letter, pin=PIN)


def test_a_template_that_no_one_trusts_any_more_is_not_continued(cli: Terminal, letter: str) -> None:
    path = cli.root / ".wfe" / "templates" / "letter.json"
    definition = json.loads(path.read_text())
    path.write_text(json.dumps(definition | {"version": "2.0.0"}))
    assert fork(cli, letter), "people trusted the bytes that this run follows"
    assert cli("templates", "disable", "letter").code == 0
    assert cli.json("start", "--from", letter).refusal == "unavailable"


def test_a_fork_goes_back_no_further_than_to_where_it_began(cli: Terminal, letter: str) -> None:
    forked = fork(cli, letter)
    error = cli.json("rollback", forked, "draft").document["error"]
    assert error["message"] == f"Phase 'draft' began in run '{letter}', before run '{forked}' was forked from it."
    assert error["hint"] == f"Fork that one from an earlier event: wfe-mcp log {letter}"
    assert error["code"] == "not_ready"


def test_the_same_key_forks_once(cli: Terminal, letter: str) -> None:
    assert fork(cli, letter, "--key", "k") == fork(cli, letter, "--key", "k")
    assert cli.json("start", "--from", f"{letter}@2", "--key", "k", pin=PIN).refusal == "conflict"


def test_a_place_that_is_not_there_is_named(cli: Terminal, letter: str) -> None:
    for origin, refusal in (
        (f"{letter}@999", "bad_argument"),
        (f"{letter}@soon", "bad_argument"),
        ("nowhere@2", "unknown_run"),
    ):
        assert cli.json("start", "--from", origin).refusal == refusal
    note = cli.start("note")
    cli("cancel", note)
    document = cli.json("start", "--from", note)
    assert (document.refusal, "cancelled" in document.document["error"]["message"]) == ("illegal_transition", True)


@pytest.mark.parametrize(
    "words", [["note"], ["-i", "a=b"], ["--inputs", "{}"], ["--no-auto"], ["--driver", "x"], ["--external-id", "7"]]
)
def test_what_a_fork_takes_from_its_origin_is_not_given_beside_it(cli: Terminal, letter: str, words: list[str]) -> None:
    answer = cli("start", *words, "--from", letter)
    assert (answer.code, "leave it out" in answer.err) == (2, True)
