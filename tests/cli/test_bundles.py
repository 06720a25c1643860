"""A run leaves one machine as one file and comes in at another: whole, checked, as history."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.machines import Machines, exported, finished, shown, signed_again
from tests.cli.scene import PIN, Terminal, phase, template
from tests.forged import Bundle, chained

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_moves_to_another_machine_with_all_that_was_said_and_seen(machines: Machines) -> None:
    here = machines.here
    run = finished(here)
    before, file = shown(here, run), exported(here, run)

    there = machines.go(machines.there)
    message = there.json("import", str(file))

    assert message.code == 0, message.out
    assert message.document["run"] == run
    assert there.json("verify", run).code == 0
    assert shown(there, run) == before
    origin = there.json("show", run).data["imported"]
    assert (origin["from"], origin["by"], origin["project"]) == ("bundle", "ada", str(here.root))


def test_export_import_and_export_again_give_the_same_bytes(machines: Machines) -> None:
    run = finished(machines.here)
    first = exported(machines.here, run)

    there = machines.go(machines.there)
    assert there.json("import", str(first)).code == 0

    assert exported(there, run).read_bytes() == first.read_bytes()


@pytest.mark.requirement("E-13")
def test_nothing_is_forked_from_a_run_that_was_worked_elsewhere(machines: Machines) -> None:
    run = finished(machines.here)
    file = exported(machines.here, run)
    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0
    document = there.json("start", "--from", run, pin=PIN)
    assert document.refusal == "illegal_transition"
    assert "wfe-mcp templates list (template 'deed' is not in this project)" in document.document["error"]["hint"]
    (there.root / ".wfe" / "templates").mkdir()
    there.save(template("deed", phase("sign")))
    again = there.json("start", "--from", run, pin=PIN)
    assert "wfe-mcp start deed --inputs JSON" in again.document["error"]["hint"]


# -- what an imported run is ---------------------------------------------------------------------------------------------


@pytest.fixture
def arrived(machines: Machines) -> tuple[Terminal, str]:
    """A run that waits for a person's yes, imported elsewhere."""
    here = machines.here
    run = here.start("letter")
    assert here.submit_work(run, "draft").code == 0
    assert here.submit_work(run, "send").code == 0
    assert here.state(run) == "waiting"
    file = exported(here, run)
    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0
    return there, run


MOVES: tuple[tuple[str, ...], ...] = (
    ("approve", "RUN", "send"),
    ("reject", "RUN", "send", "--feedback", "no"),
    ("skip", "RUN", "send", "--reason", "x"),
    ("retry", "RUN", "send"),
    ("force-accept", "RUN", "send", "--reason", "x"),
    ("pause", "RUN"),
    ("resume", "RUN"),
    ("cancel", "RUN"),
    ("auto", "RUN", "off"),
    ("proceed", "RUN"),
    ("submit", "RUN", "send", "--path", "draft.json"),
    ("rollback", "RUN", "draft"),
    ("rollback", "RUN", "1", "--no-files"),
    ("undo", "RUN"),
    ("rollback", "RUN", "draft", "--dry-run"),
    ("undo", "RUN", "--dry-run"),
    ("checkpoint", "RUN"),
)


@pytest.mark.attack("a decision brought along in a bundle", "held", "T1")
def test_no_one_continues_an_imported_run_not_even_with_the_pin(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    (there.root / "draft.json").write_text('{"text": "x"}')
    before = shown(there, run)
    asks = {"approve", "reject", "skip", "retry", "force-accept", "resume", "proceed"}
    wrong = dict[str, Any]()
    for words in MOVES:
        document = there.json(
            *(run if word == "RUN" else word for word in words), pin=PIN if words[0] in asks else None
        )
        error = document.document.get("error") or {"code": "", "message": "", "hint": ""}
        is_held = (
            (document.code, error["code"]) == (1, "illegal_transition")
            and "was imported" in error["message"]
            and "wfe-mcp templates list (template 'letter' is not" in error["hint"]
            and shown(there, run) == before
        )
        if not is_held:
            wrong[" ".join(words)] = document.out + document.err
    assert wrong == {}


def test_an_imported_run_is_finished_and_blocks_no_one(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived

    document = there.json("status", run)
    assert document.document["run_state"] == "waiting"
    assert document.document["waiting_on"] == "none"
    assert "next" not in document.document
    assert "IMPORTED" in document.document["summary"]
    assert "it cannot continue here" in document.data["blockers"][0]
    assert "template 'letter' is not in this project" in document.data["blockers"][0]
    assert there.json("status").document["summary"] == f"No run is open in this project: {there.root}"
    there.clock.forward(days=400)
    assert there.json("list", "--stale").data["runs"] == []
    assert there.json("cancel", "--stale").code == 0
    listed = there("list")
    assert "waiting (imported)" in listed.out
    assert f'{run} "A letter": not continued here, ' in there("status", run).out


def test_an_imported_run_that_is_open_leaves_the_lists(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    there.clock.forward(days=1)
    assert there.json("prune", "--older-than", "1ms", pin=PIN).data["runs"] == [], "only where it is named"
    assert there.json("archive", run).code == 0
    assert there.json("list").data["runs"] == []
    assert [row["run"] for row in there.json("list", "--archived").data["runs"]] == [run]


def test_an_imported_run_that_is_open_is_removed_with_all_that_it_had_where_it_is_named(
    arrived: tuple[Terminal, str],
) -> None:
    there, run = arrived
    assert there.json("keep", run).code == 0
    assert there.json("prune", run, pin=PIN).refusal == "conflict"
    assert there.json("keep", "--off", run).code == 0
    assert there.json("prune", run, "--dry-run").data["runs"][0]["run"] == run
    assert there.json("prune", run, pin=PIN).code == 0
    assert there.json("list", "--archived").data["runs"] == []
    assert not (there.root / ".wfe" / "runs" / run).exists()
    assert there.json("stats").data["phases"] == []
    verified = there.json("verify")
    assert (verified.code, "1 run removed by wfe-mcp prune" in there("verify").out) == (0, True)


def test_what_was_accepted_elsewhere_is_written_where_people_look(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    artifact = there.root / ".wfe" / "runs" / run / "draft" / "1" / "artifact.json"
    assert json.loads(artifact.read_text()) == {"text": "hello"}

    artifact.write_text('{"text": "forged"}')
    assert there.json("verify", run).refusal == "conflict"

    assert there.json("artifact", "restore", run).code == 0
    assert there.json("verify", run).code == 0


def test_the_same_run_again_is_no_fault_and_fixes_missing_files(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    run = there.json("import", str(whole)).document["run"]
    shutil.rmtree(there.root / ".wfe" / "runs" / run)

    again = there.json("import", str(whole))

    assert again.code == 0
    assert again.data["was_here"] is True
    assert again.data["files"] > 0
    assert there.json("verify", run).code == 0
    assert len(there.json("list").data["runs"]) == 1


def test_a_fork_moves_too_and_no_one_forks_what_was_imported(machines: Machines) -> None:
    here = machines.here
    run = here.start("letter")
    assert here.submit_work(run, "draft").code == 0
    fork = here.json("start", "--from", run).document["run"]
    assert here.submit_work(fork, "send").code == 0
    before, file = shown(here, fork), exported(here, fork)

    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0

    assert there.json("verify", fork).code == 0
    assert shown(there, fork)["forked_from"] == before["forked_from"]
    assert exported(there, fork).read_bytes() == file.read_bytes()
    assert there.json("start", "--from", fork).refusal == "illegal_transition"


def test_a_run_comes_back_where_it_was_worked_without_becoming_history(cli: Terminal) -> None:
    run = finished(cli)

    message = cli.json("import", str(exported(cli, run)))

    assert (message.code, message.data["was_here"]) == (0, True)
    assert "IMPORTED" not in cli.json("status", run).document["summary"]


def test_another_history_of_the_same_run_is_a_conflict(cli: Terminal) -> None:
    def change(bundle: Bundle) -> None:
        bundle["events"][-1]["actor"] = "eve"
        chained(bundle)

    forged = signed_again(exported(cli, cli.start("letter")), change)
    message = cli.json("import", str(forged))

    assert (message.code, message.refusal) == (1, "conflict")
    assert "another history" in message.document["error"]["message"]


def test_an_earlier_bundle_of_a_run_is_said_to_have_nothing_new(cli: Terminal) -> None:
    run = cli.start("letter")
    older = exported(cli, run)
    assert cli.submit_work(run, "draft").code == 0

    message = cli.json("import", str(older))

    assert (message.code, message.refusal) == (1, "conflict")
    assert "has nothing new" in message.document["error"]["message"]


def test_a_later_bundle_of_a_run_is_said_to_continue_what_was_imported(machines: Machines) -> None:
    run = machines.here.start("letter")
    early = exported(machines.here, run)
    there = machines.go(machines.there)
    assert there.json("import", str(early)).code == 0
    here = machines.go(machines.here)
    early.unlink()
    assert here.submit_work(run, "draft").code == 0
    later = exported(here, run)

    message = machines.go(machines.there).json("import", str(later))

    assert message.refusal == "conflict"
    assert "the bundle continues it" in message.document["error"]["message"]


def test_other_rows_in_the_same_history_are_a_conflict(machines: Machines, whole: Path) -> None:
    def change(bundle: Bundle) -> None:
        revision = bundle["revisions"][-1]
        bundle["revisions"].append(revision | {"revision": revision["revision"] + 1})
        bundle["run"]["artifact_count"] += 1

    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    message = there.json("import", str(signed_again(whole, change)))

    assert (message.code, message.refusal) == (1, "conflict")
    assert "/revisions" in message.document["error"]["message"]


def test_a_run_of_another_project_of_this_database_is_a_conflict(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = exported(cli, cli.start("letter"))
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "second")

    message = cli.json("import", str(file))

    assert (message.code, message.refusal) == (1, "conflict")
    assert "another project" in message.document["error"]["message"]


def test_an_id_that_another_run_has_is_a_conflict_and_leaves_nothing(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    def change(bundle: Bundle) -> None:
        bundle["run"]["id"] = "another"
        for one in bundle["evidence"]:
            one.pop("log_path", None)
        bundle["logs"].clear()
        chained(bundle)

    message = there.json("import", str(signed_again(whole, change)))

    assert (message.code, message.refusal) == (1, "conflict")
    assert message.document["error"]["details"][0]["path"] == "/evidence"
    assert len(there.json("list").data["runs"]) == 1


def test_a_dry_run_checks_and_stores_nothing(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)

    message = there.json("import", str(whole), "--dry-run")

    assert message.code == 0
    assert (message.data["dry_run"], message.data["was_here"]) == (True, False)
    assert there.json("list").data["runs"] == []


def test_verify_finds_an_imported_run_that_no_longer_says_so(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    with closing(sqlite3.connect(there.database)) as database, database:
        database.execute("UPDATE run SET origin_sha256 = NULL WHERE id = ?", (run,))
    database.close()

    document = there.json("verify", run)

    assert document.code == 1
    codes = [one["code"] for one in document.data["problems"]]
    assert codes == ["origin_edited", "gates_weakened"], "its template was never trusted here"


def test_a_bundle_trusts_no_template(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    assert "deed" not in {each["name"] for each in there.json("templates", "list").data["templates"]}
    assert there.json("start", "deed").refusal == "unknown_template"
