"""Claims at the terminal: added, tested, judged with the PIN, falsified, and taken up again after their follow-ups."""

import json
import sys

import pytest

from tests.cli.scene import PIN, Terminal

TEST = json.dumps(
    {"type": "benchmark", "check": "bench", "regex": r"p95: (\d+)", "threshold": 100, "comparison": "lte"}
)


def write(cli: Terminal, p95: int) -> None:
    (cli.root / "app.txt").write_text(f"p95: {p95}\n", encoding="utf-8")


@pytest.mark.usefixtures("in_git")
@pytest.mark.requirement("S4-21", "S4-23", "S4-25")
def test_a_claim_goes_from_its_benchmark_to_the_ledger_and_back(cli: Terminal) -> None:
    write(cli, 80)
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        code = "print(open('app.txt').read())"
        config.write(f"\n[checks.bench]\nargv = {json.dumps([sys.executable, '-S', '-c', code])}\n")
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert cli("claim", "add", "Answers are fast", "--test", TEST, "--tag", "performance").code == 0
    queued = cli("work", "start", "W-1")
    assert (queued.code, "Next: wfe-mcp work show W-1" in queued.err) == (0, True), queued
    done = cli("claim", "test", "W-1")
    assert (done.code, "80, wanted at most 100" in done.out) == (0, True)
    assert "of no run" not in cli("doctor").out, "the logs are the claim's"
    write(cli, 300)
    assert "outdated: the files or the check have changed since" in cli("claim", "show", "W-1").out
    done = cli("claim", "test", "W-1")
    assert (done.code, "falsified" in done.out) == (1, True)
    assert "no follow-up yet" in cli("claim", "retry", "W-1").err
    cli("work", "add", "Make it fast")
    assert "W-2" in cli("claim", "follow-up", "W-1", "W-2").out
    assert "Its follow-ups are open: W-2" in cli("claim", "retry", "W-1").err
    assert cli("work", "drop", "W-2", "not needed", pin=PIN).code == 0
    assert cli("claim", "retry", "W-1").code == 0
    write(cli, 60)
    assert cli("claim", "test", "W-1").code == 0
    shown = cli("claim", "ledger").out
    assert "1 falsified claim, 0 of them open" in shown
    assert "W-2 dropped" in shown
    assert "validated" in cli("claim", "list").out
    assert cli("verify").code == 0


@pytest.mark.requirement("S4-23")
def test_the_person_judges_evidence_with_the_pin(cli: Terminal) -> None:
    assert cli("claim", "add", "It is easy to use").code == 0
    assert (
        "evidence neither: README.md: read it"
        in cli("claim", "evidence", "W-1", "README.md", "--reason", "read it").out
    )
    no = cli("claim", "test", "W-1")
    assert "No check tests W-1" in no.err
    done = cli("claim", "evidence", "W-1", "--supports", "--reason", "five of five could", pin=PIN)
    assert (done.code, "validated" in done.out) == (0, True)
    assert cli("claim", "add", "It is nice", "--test", '{"type": "manual", "checklist": ["Is it?"]}').code == 0
    said = cli("claim", "test", "W-2").err
    assert "wfe-mcp claim evidence W-2 --list test-1 --supports --reason TEXT" in said
    assert "add --supports or --contradicts" in cli("claim", "evidence", "W-2", "--list", "test-1", "--reason", "x").err
    assert "Invalid value for --reason" in cli("claim", "evidence", "W-2", "--list", "test-1").err
    done = cli("claim", "evidence", "W-2", "--list", "test-1", "--supports", "--reason", "seen", pin=PIN)
    assert (done.code, "validated" in done.out) == (0, True)
    bad = cli("claim", "add", "x", "--test", "script")
    assert (bad.code, "Test 1 is no JSON" in bad.err) == (1, True)


def test_a_claim_whose_checks_passed_leads_to_the_list_that_a_person_answers(cli: Terminal) -> None:
    tests = [{"type": "script", "check": "test"}, {"type": "manual", "checklist": ["Is it?"]}]
    added = cli("claim", "add", "It works", *(word for each in tests for word in ("--test", json.dumps(each))))
    assert "Next: wfe-mcp claim test W-1" in added.err
    (cli.root / "ok").touch()
    tested = cli("claim", "test", "W-1")
    assert "Next: wfe-mcp claim evidence W-1 --list test-2 --supports --reason TEXT" in tested.err
    assert (
        "validated" in cli("claim", "evidence", "W-1", "--list", "test-2", "--supports", "--reason", "x", pin=PIN).out
    )


@pytest.mark.requirement("S4-21")
def test_each_refusal_names_the_command_that_comes_next(cli: Terminal) -> None:
    script = json.dumps({"type": "script", "check": "test"})
    cli("work", "add", "A task")
    assert "W-1 is a task, no claim" in cli("claim", "test", "W-1").err
    cli("claim", "add", "It works", "--test", script)
    assert "cannot be changed" in cli("work", "edit", "W-2", "--title", "It is there").err
    assert "follows from its tests" in cli("work", "edit", "W-2", "--status", "validated").err
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before + '\n[checks.more]\nargv = ["true"]\n', encoding="utf-8")
    assert "is not trusted as it is" in cli("claim", "test", "W-2").err
    config.write_text(before, encoding="utf-8")
    (cli.root / "ok").unlink(missing_ok=True)
    assert cli("claim", "test", "W-2").code == 1
    assert "W-2 was falsified" in cli("claim", "test", "W-2").err
    assert cli("work", "edit", "W-2", "--status", "deprecated", pin=PIN).code == 0
    assert "W-2 is deprecated" in cli("claim", "test", "W-2").err
    added = cli("claim", "add", "It is easy to use").err
    assert "Next: wfe-mcp claim evidence W-3 --supports --reason TEXT" in added
    assert "No check tests W-3" in cli("claim", "test", "W-3").err


def test_an_empty_list_leads_to_the_command_that_adds_to_it(cli: Terminal) -> None:
    for kind in ("decision", "claim"):
        assert cli(kind, "list").err == f"Next: wfe-mcp {kind} add TITLE\n"
