"""Runs are called what they are about, in every list at a terminal."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from tests.store.scene import AS_OF_0016, tamper

BUG = "slug('v1.2') gives 'v1.2'; it should give 'v1-2' in every locale"
FIRST_WORDS = "slug('v1.2') gives 'v1.2'; it should give 'v1-2' in every…"
GOAL: dict[str, Any] = {"type": "object", "properties": {"goal": {"type": "string"}, "name": {"type": "string"}}}


def titles(cli: Terminal, *words: str) -> list[str]:
    return [each["title"] for each in cli.json("list", *words).data["runs"]]


@pytest.mark.usefixtures("in_git")
def test_a_run_is_called_what_it_is_about(cli: Terminal) -> None:
    run = cli.start("quick_fix", "-i", f"problem={BUG}")

    assert titles(cli) == [FIRST_WORDS]
    assert FIRST_WORDS in cli("list").out
    assert cli("status", run).out.startswith(f'{run} "{FIRST_WORDS}": ')
    assert cli.json("status", run).document["summary"].startswith(FIRST_WORDS)


@pytest.mark.usefixtures("in_git")
def test_a_given_title_is_kept_and_two_runs_differ(cli: Terminal) -> None:
    cli.start("quick_fix", "-i", f"problem={BUG}", "--title", "Slugs of versions")
    cli.clock.forward(minutes=1)
    cli.start("quick_fix", "-i", "problem=An empty name crashes")

    assert titles(cli) == ["An empty name crashes", "Slugs of versions"]


def test_the_template_names_the_input_that_the_title_comes_from(cli: Terminal) -> None:
    cli.save(template("export", phase("draft"), inputs=GOAL, title_from="goal"))
    cli.start("export", "-i", "name=csv", "-i", "goal=Users can export their invoices")

    assert titles(cli) == ["Users can export their invoices"]


def test_a_template_that_names_none_says_what_was_given(cli: Terminal) -> None:
    cli.save(template("export", phase("draft"), inputs=GOAL))
    cli.start("export", "-i", "name=csv")

    assert titles(cli) == ["name csv"]


def test_runs_without_inputs_are_counted(cli: Terminal) -> None:
    for _ in range(3):
        cli.start("note")
        cli.clock.forward(minutes=1)

    assert titles(cli) == ["A note #3", "A note #2", "A note"]


@pytest.mark.usefixtures("in_git")
def test_what_a_title_hides_is_shown(cli: Terminal) -> None:
    cli.start("quick_fix", "-i", "problem=Ends \u202ewith a trick")
    cli.clock.forward(minutes=1)
    cli.start("note", "--title", "One\nline")

    assert titles(cli) == ["One line", "Ends <U+202E>with a trick"]


def test_a_list_says_the_phase_and_how_far_a_run_is(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")

    assert "send 1/2" in cli("list").out
    assert "send 1/2" not in cli("status").out
    other = cli.start("note")
    assert "send 1/2" in cli("status").out
    assert "draft 0/1" in cli("status").out
    cli.submit_work(other, "draft")
    assert "1/1" in cli("list", "--status", "completed").out


@pytest.mark.requirement("S2-30")
def test_the_runs_of_the_last_days_say_how_many_phases_are_done_and_when_they_were_completed(cli: Terminal) -> None:
    cli.start("note", "--title", "Long ago")
    cli.clock.forward(days=8)
    done = cli.start("note", "--title", "Done")
    cli.clock.forward(minutes=5)
    cli.submit_work(done, "draft")
    half = cli.start("letter", "--title", "Half")
    cli.submit_work(half, "draft")

    runs = cli.json("list", "--since", "7d").data["runs"]

    facts = [(each["title"], each["phases_done"], each["phases"], each.get("completed_at")) for each in runs]
    assert facts == [("Half", 1, 2, None), ("Done", 1, 1, "2026-11-28T08:05:00+00:00")]


def test_a_completed_run_with_a_skipped_phase_says_so(cli: Terminal) -> None:
    run = cli.start("letter", "--title", "Short")
    cli.submit_work(run, "draft")
    assert cli("skip", run, "send", "--reason", "not needed", pin=PIN).code == 0
    assert "2/2, 1 skipped" in cli("list", "--status", "completed").out
    assert "1 skipped" in cli("status", run).out
    assert cli.json("list").data["runs"][0]["phases_skipped"] == 1


def test_runs_of_all_projects_are_listed_with_their_project(cli: Terminal) -> None:
    cli.start("note", "--title", "Here")
    other = cli.place / "shop"
    other.mkdir()
    cli.git("init", "-q", str(other))
    cli.clock.forward(minutes=1)
    assert cli.json("start", "quick_fix", "-i", "problem=Prices are wrong", "--project", str(other)).code == 0

    assert titles(cli) == ["Here"]
    assert titles(cli, "--project", str(other)) == ["Prices are wrong"]
    listed = cli.json("list", "--all").data["runs"]
    assert [(each["title"], Path(each["folder"]).name) for each in listed] == [
        ("Prices are wrong", "shop"),
        ("Here", "project"),
    ]
    shown = cli("list", "--all").out.splitlines()
    assert [line.split()[1] for line in shown] == ["PROJECT", "shop", "project"]
    assert "--all" in cli("list", "--all", "--limit", "1").err
    board = cli("list", "--all", "--template", "note", "--by-phase")
    assert "Here" in board.out


def test_what_is_found_says_in_which_run_it_is(cli: Terminal) -> None:
    run = cli.start("letter", "--title", "Thanks to Ada")
    cli.submit_work(run, "draft", "zephyr")

    hits = cli.json("find", "zephyr").data["hits"]
    assert [(each["kind"], each["run_title"]) for each in hits] == [("artifact", "Thanks to Ada")]
    assert "draft" in cli("find", "zephyr").out
    assert 'of "Thanks to Ada"' in cli("find", "zephyr").out
    assert [(each["kind"], each["title"]) for each in cli.json("find", "Ada", "--kind", "run").data["hits"]] == [
        ("run", "Thanks to Ada")
    ]


@pytest.mark.usefixtures("in_git")
def test_runs_from_before_are_named_after_their_inputs(cli: Terminal) -> None:
    run = cli.start("quick_fix", "-i", f"problem={BUG}")
    note, given = cli.start("note"), cli.start("quick_fix", "-i", "problem=x", "--title", "Mine")
    assert cli.json("find", "locale").data["hits"]
    tamper(
        f"sqlite:///{cli.database.as_posix()}",
        f"UPDATE run SET title = 'Fix one bug, proved by a test' WHERE id = '{run}'",
        *AS_OF_0016,
        "DROP TABLE item",
        "DROP TABLE item_file",
        "DROP TABLE item_event",
        *(f"ALTER TABLE project DROP COLUMN {column}" for column in ("name", "first_commit", "forgotten_at")),
        "UPDATE alembic_version SET version_num = '0011'",
    )

    listed = {each["run"]: each["title"] for each in cli.json("list").data["runs"]}

    assert listed == {run: FIRST_WORDS, note: "A note #2", given: "Mine"}
    assert [each["title"] for each in cli.json("find", "locale", "--kind", "run").data["hits"]] == [FIRST_WORDS]
    assert cli.json("verify").code == 0
    assert cli.json("cancel", run).code == 0
    assert not cli.json("find", "proved").data["hits"]
