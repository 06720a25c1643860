"""A release without a scanner: refused, unless a person said that the project has none."""

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
    assert (no.refusal, "missing_checks" in no.document["error"]["hint"]) == ("invalid_template", True)
    assert "security" in str(no.document["error"]["details"])
    add(cli, NO_SCANNER)
    run = cli.json(*start).document["run"]
    said = "check 'security' may be missing"
    (weaker,) = [one for one in cli.json("show", run).data["gates"] if one["what"] == said]
    assert weaker["weakens"]
    assert weaker["key"].endswith("sec.missing_checks")
