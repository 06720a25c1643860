"""A release without a scanner: refused, unless a person said that the project has none."""

import pytest

from tests.cli.scene import PIN, Terminal

NO_SCANNER = """
[templates.role_pipeline.phases.sec]
missing_checks = ["security"]
"""


def add(cli: Terminal, text: str) -> None:
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write(text)
    assert cli("trust", "--yes", pin=PIN).code == 0


def test_a_release_without_a_scanner_is_refused_until_a_person_says_that_there_is_none(cli: Terminal) -> None:
    cli.git("init", "-q")
    cli("trust", "--yes", pin=PIN)  # a repository is another place than a folder without one
    start = ("start", "role_pipeline", "--input", "goal=Export invoices")
    no = cli.json(*start)
    assert no.refusal == "invalid_template"
    said = '[templates.role_pipeline.phases.sec] with missing_checks = ["security"]'
    assert f"where the project has no such check, {said}," in no.document["error"]["hint"]
    assert no.document["error"]["message"].endswith("no check 'security'; there is 'test'")
    assert "security" in str(no.document["error"]["details"])
    add(cli, NO_SCANNER)
    run = cli.json(*start).document["run"]
    said = "check 'security' may be missing"
    (weaker,) = [one for one in cli.json("show", run).data["gates"] if one["what"] == said]
    assert weaker["weakens"]
    assert weaker["key"].endswith("sec.missing_checks")


@pytest.mark.requirement("S4-20")
def test_one_role_alone_needs_no_check_of_the_roles_that_are_left_out(cli: Terminal) -> None:
    cli.git("init", "-q")
    cli("trust", "--yes", pin=PIN)
    start = ("start", "role_pipeline", "--input", "goal=Export invoices", "--input")
    assert cli.json(*start, "only=sec").refusal == "invalid_template"

    run = cli.json(*start, "only=docs").document["run"]

    states = {each["phase"]: each["state"] for each in cli.json("status", run).data["phases"]}
    assert states.pop("docs") == "ready"
    assert set(states.values()) <= {"skipped", "pending"}
