"""``wfe-mcp config fact``: what a person says of the project holds in place of what is found, and a new scan keeps it."""

import os
from contextlib import closing
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.phases.claim import start_phase
from wfe_mcp.workspace.system.location import project_at

CONFIG = ".wfe/config.toml"


def facts(cli: Terminal) -> dict[str, dict[str, Any]]:
    return {each.pop("name"): each for each in cli.json("config", "project").data.get("facts", [])}


@pytest.mark.requirement("S4-31")
def test_a_corrected_fact_holds_survives_a_new_scan_and_ends_when_it_is_undone(cli: Terminal) -> None:
    (cli.root / "package.json").write_text('{"devDependencies": {"vitest": "1"}}')
    (cli.root / "yarn.lock").touch()
    assert facts(cli)["package manager"] == {"value": "yarn", "found": "yarn"}

    corrected = cli("config", "fact", "package manager", "pnpm", pin=PIN)

    assert (corrected.code, "package manager: pnpm (yours)" in corrected.out) == (0, True), corrected.err
    assert facts(cli)["package manager"] == {"value": "pnpm", "found": "yarn", "by_hand": True}
    (cli.root / "yarn.lock").unlink()
    (cli.root / "package-lock.json").write_text("{}")
    assert facts(cli)["package manager"] == {"value": "pnpm", "found": "npm", "by_hand": True}
    row = next(line for line in cli("project", "show").out.splitlines() if "yours; found" in line)
    assert row.split()[2:] == ["pnpm", "yours;", "found:", "npm"]

    back = cli("config", "fact", "package manager", "--remove", pin=PIN)

    assert "package manager: npm (as found)" in back.out
    assert facts(cli)["package manager"] == {"value": "npm", "found": "npm"}
    assert cli("verify").code == 0


@pytest.mark.requirement("S4-31")
def test_a_fact_that_no_file_says_is_added_and_each_prompt_of_a_later_run_has_it(cli: Terminal) -> None:
    assert cli("config", "fact", "database", "PostgreSQL 16", pin=PIN).code == 0
    run = cli.json("start", "note").document["run"]

    with closing(create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)) as engine:
        prompt = start_phase(engine, By(), run, None).prompt

    assert "Facts of the project, by a person:\n<<<" in prompt
    assert "\ndatabase: PostgreSQL 16\n>>>" in prompt
    assert "- database: PostgreSQL 16" in cli("context", run).out


def test_a_fact_needs_the_person_one_line_and_something_to_undo(cli: Terminal) -> None:
    before = (cli.root / CONFIG).read_bytes()
    assert cli.json("config", "fact", "language", "Go").refusal == "needs_human"
    assert cli.json("config", "fact", "language", pin=PIN).refusal == "bad_argument"
    assert cli.json("config", "fact", "language", "Go", "--remove", pin=PIN).refusal == "bad_argument"
    assert cli.json("config", "fact", "language", "a\nb", pin=PIN).refusal == "bad_argument"
    assert cli.json("config", "fact", "language", "x" * 301, pin=PIN).refusal == "bad_argument"
    gone = cli.json("config", "fact", "database", "--remove")  # no PIN is asked for it
    assert (gone.refusal, "no correction of 'database'" in gone.document["error"]["message"]) == ("bad_argument", True)
    assert (cli.root / CONFIG).read_bytes() == before


def test_a_fact_that_was_written_without_a_person_has_no_effect(cli: Terminal) -> None:
    (cli.root / CONFIG).write_text((cli.root / CONFIG).read_text() + '\n[facts]\nlanguages = "Cobol"\n')

    assert facts(cli).get("languages", {}).get("value") != "Cobol"
    assert cli.json("config", "fact", "language", "Go", pin=PIN).refusal == "needs_trust"
