"""How phases fare, as a person reads it."""

import sqlite3
from contextlib import closing

from tests.cli.scene import PIN, Terminal


def test_stats_report_tries_passes_work_and_waiting(cli: Terminal) -> None:
    for wait in (10, 30):
        run = cli.start("letter")
        cli.clock.forward(minutes=1)
        assert cli("start", "--help").code == 0
        cli.submit_work(run, "draft")
        cli.submit_work(run, "send", "first")
        cli.clock.forward(minutes=wait)
        assert cli.json("reject", run, "send", "--feedback", "no", pin=PIN).code == 0
        cli.submit_work(run, "send", "second")
        cli.clock.forward(minutes=5)
        assert cli.json("approve", run, "send", pin=PIN).code == 0

    output = cli("stats").out.splitlines()

    head = next(line for line in output if line.startswith("PHASE"))
    draft, send = output[output.index(head) + 1 : output.index(head) + 3]
    assert (draft.split()[:2], send.split()[:2]) == (["letter/draft", "2"], ["letter/send", "4"])
    assert send[head.index("PASSED FIRST") :].startswith("0 of 2")
    assert send[head.index("PASSED  ") :].startswith("2 of 2")
    assert send[head.index("YOU") :].startswith("25 min")
    assert output[0] == "No model calls. Medians; 90th percentiles: --json"

    send_line = next(line for line in cli.json("stats").data["phases"] if line["phase"] == "send")
    assert send_line["waiting"]["human"] == {"tasks": 2, "total_s": 3000, "median_s": 1500, "p90_s": 2100}
    assert (send_line["runs"], send_line["attempts"], send_line["first_try"]["rate"]) == (2, 4, 0)


def test_stats_are_of_a_run_a_template_or_since_a_time(cli: Terminal) -> None:
    old = cli.start("note")
    cli.submit_work(old, "draft")
    cli.clock.forward(days=2)
    new = cli.start("letter")
    cli.submit_work(new, "draft")

    def lines(*words: str) -> list[str]:
        return [f"{line['template']}.{line['phase']}" for line in cli.json("stats", *words).data["phases"]]

    assert lines() == ["letter.draft", "note.draft"]
    assert lines(old) == lines("--template", "note") == ["note.draft"]
    assert lines("--since", "1d") == ["letter.draft"]
    assert lines("--all", "--template", "none") == []
    assert cli.json("stats", "nothing").refusal == "unknown_run"


def test_wrong_sums_are_found_by_verify_and_summed_again_by_doctor(cli: Terminal) -> None:
    cli.submit_work(cli.start("note"), "draft")
    right = cli.json("stats").data["phases"]
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute("UPDATE phase_sum SET passed = 7")
    assert cli.json("stats").data["phases"] != right

    found = cli("verify")
    assert (found.code, "[sums_differ]" in found.out) == (1, True)
    assert "the sums of note/draft are not those of the logs" in found.out

    cli("doctor", "--fix")

    assert cli("verify").code == 0
    assert cli.json("stats").data["phases"] == right
