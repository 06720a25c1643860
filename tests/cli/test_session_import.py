"""What ai-workflow-engine and Workflow Hub recorded comes in as history: whole where it fits, listed where it does not."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.cli.session_folders import FAIL, FILES, JAVA, PASS, PLAN, laid, session, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def phases(cli: Terminal, run: str) -> dict[str, str]:
    return {one["phase"]: one["state"] for one in cli.json("show", run).data["phases"]}


def artifact(cli: Terminal, run: str, phase: str) -> Any:
    document = cli.json("artifact", "show", run, phase)
    assert document.code == 0, document.out
    return document.data["content"]


def come_in(cli: Terminal, place: Path) -> tuple[str, dict[str, Any]]:
    message = cli.json("import", str(place))
    assert message.code == 0, message.out
    return message.document["run"], message.data["imported"]


@pytest.mark.requirement("S0-11", "S0-15", "S0-16")
def test_a_session_that_was_completed_comes_in_as_a_completed_run(cli: Terminal) -> None:
    run, origin = come_in(cli, laid(cli, session()))

    assert cli.state(run) == "completed"
    assert phases(cli, run) == {"plan": "completed", "generate": "completed", "review": "completed"}
    assert artifact(cli, run, "plan") == {"front": {}, "body": "# The plan\n"}
    assert artifact(cli, run, "generate") == {
        "files": [
            {"path": "generation-response.md", "content": "Here it is.\n"},
            {"path": "code/Tier.java", "content": JAVA},
        ]
    }
    assert artifact(cli, run, "review")["body"] == PASS
    assert (origin["from"], origin.get("not_carried")) == ("ai-workflow-engine", None)
    assert cli.json("verify", run).code == 0


@pytest.mark.requirement("S0-18")
@pytest.mark.attack("an approval imported in a session of another system", "held", "T1")
def test_what_was_approved_there_is_a_statement_and_no_ones_decision_here(cli: Terminal) -> None:
    run, origin = come_in(cli, laid(cli, session()))

    assert "plan_approved is true (according to session.json; not decided here)" in origin["statements"]
    log = cli.json("log", run).data["events"]
    assert {one["type"] for one in log} <= {
        "RunStarted",
        "PhaseReady",
        "PhaseStarted",
        "RevisionSubmitted",
        "PhaseCompleted",
        "RunCompleted",
    }
    assert {(one["actor"], one["channel"], one["assurance"]) for one in log} == {
        ("ai-workflow-engine", "system", "agent")
    }
    assert cli.json("retry", run, "plan", pin=PIN).refusal == "illegal_transition"


def test_events_have_the_times_of_the_session(cli: Terminal) -> None:
    run, _ = come_in(cli, laid(cli, session()))

    log = {(one["type"], one["payload"].get("phase")): one["at"] for one in cli.json("log", run).data["events"]}
    assert log["RunStarted", None].startswith("2026-01-02T10:00:00.250")
    assert log["PhaseCompleted", "generate"].startswith("2026-01-02T10:30:00")


@pytest.mark.requirement("S0-17", "S0-18")
def test_a_file_that_was_edited_after_its_approval_is_reported(cli: Terminal) -> None:
    files = FILES | {
        "iteration-1/planning-response.md": "# Another plan\n",
        "iteration-1/code/Tier.java": JAVA + "//\n",
    }

    run, origin = come_in(cli, laid(cli, session(), files))

    text = "\n".join(origin["statements"])
    assert f"plan_hash is {sha256(PLAN)[:12]}…, and iteration-1/planning-response.md is" in text
    assert "and plan.md is" not in text
    assert "/artifacts/0/sha256 is" in text
    assert artifact(cli, run, "plan")["body"] == "# Another plan\n"


@pytest.mark.requirement("S0-15")
def test_a_failed_review_is_followed_by_its_revision_in_the_next_iteration(cli: Terminal) -> None:
    files = FILES | {
        "iteration-1/review-response.md": FAIL,
        "iteration-2/revision-prompt.md": "Mend it.\n",
        "iteration-2/revision-issues.md": "One.\n",
        "iteration-2/revision-response.md": "Mended.\n",
        "iteration-2/code/Tier.java": JAVA,
        "iteration-2/review-response.md": PASS,
    }

    run, origin = come_in(cli, laid(cli, session(current_iteration=2), files))

    assert list(phases(cli, run)) == ["plan", "generate", "review", "revise_2", "review_2"]
    assert set(phases(cli, run).values()) == {"completed"}
    assert artifact(cli, run, "review")["body"] == FAIL
    assert artifact(cli, run, "revise_2")["files"][1] == {"path": "code/Tier.java", "content": JAVA}
    assert "not_carried" not in origin


@pytest.mark.requirement("S0-11")
def test_an_answer_that_no_one_accepted_there_is_accepted_by_no_one_here(cli: Terminal) -> None:
    answer = session(
        phase="generate",
        stage="response",
        status="in_progress",
        pending_approval=True,
        review_approved=False,
        review_hash=None,
    )
    run, origin = come_in(cli, laid(cli, answer))

    assert cli.state(run) == "cancelled"
    assert phases(cli, run) == {"plan": "completed", "generate": "cancelled"}
    assert artifact(cli, run, "generate")["files"][1]["content"] == JAVA
    assert "left open in ai-workflow-engine, in generate" in cli("log", run, "--json").out
    assert origin["not_carried"] == [
        {"path": "iteration-1/review-response.md", "message": "lies beyond where session.json stands"}
    ]
    assert cli.json("approve", run, "generate", pin=PIN).refusal == "illegal_transition"


ENDED: tuple[tuple[str, dict[str, Any], tuple[str, ...], dict[str, str], str], ...] = (
    (
        "waits for its answer",
        {"phase": "plan", "stage": "prompt", "status": "in_progress"},
        ("iteration-1/planning-prompt.md",),
        {"plan": "cancelled"},
        "left open",
    ),
    (
        "failed",
        {"phase": "review", "stage": "response", "status": "error", "last_error": "no quota"},
        tuple(FILES)[:8],
        {"plan": "completed", "generate": "completed", "review": "cancelled"},
        "no quota",
    ),
    (
        "was cancelled",
        {"phase": "cancelled", "stage": None, "status": "cancelled"},
        tuple(FILES)[:5],
        {"plan": "completed", "generate": "cancelled"},
        "was cancelled",
    ),
)


@pytest.mark.parametrize(("what", "more", "names", "found", "reason"), ENDED, ids=[each[0] for each in ENDED])
@pytest.mark.requirement("S0-11")
def test_a_session_that_ended_early_is_a_cancelled_run(
    cli: Terminal, what: str, more: dict[str, Any], names: tuple[str, ...], found: dict[str, str], reason: str
) -> None:
    del what
    answer = session(artifacts=[], **more)

    run, origin = come_in(cli, laid(cli, answer, {name: FILES[name] for name in names}))

    assert (cli.state(run), phases(cli, run)) == ("cancelled", found)
    assert reason in cli("log", run, "--json").out
    assert cli.json("verify", run).code == 0
    assert "not_carried" not in origin


@pytest.mark.requirement("S0-14")
def test_the_same_session_again_is_the_same_run_and_a_later_one_another(cli: Terminal) -> None:
    folder = laid(cli, session())
    run, _ = come_in(cli, folder)
    cli.clock.forward(days=1)

    again = cli.json("import", str(folder / "session.json"))
    assert (again.code, again.document["run"], again.data["was_here"]) == (0, run, True)
    laid(cli, session(updated_at="2026-02-02T11:00:00"))
    assert come_in(cli, folder)[0] != run


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_whose_name_is_no_text_is_not_carried(cli: Terminal) -> None:
    folder = laid(cli, session())
    (folder / os.fsdecode(b"\xff.md")).write_text("mine", encoding="utf-8")
    _, origin = come_in(cli, folder)
    assert origin["not_carried"] == [{"path": "?.md", "message": "is no known file of a session"}]


@pytest.mark.requirement("E-13")
def test_an_imported_session_is_read_like_any_run(cli: Terminal) -> None:
    run, _ = come_in(cli, laid(cli, session(), FILES | {"notes.txt": "mine"}))

    output = cli("show", run).out
    assert "its statement: worked by generator claude-code, planner manual" in output
    assert "not carried: notes.txt: is no known file of a session" in output
    assert "Tier" in cli("artifact", "show", run, "generate").out
    assert run in cli("find", "Tier").out
    assert "ai-workflow-engine" in cli("handoff", run).out
    assert cli.json("status", run).document["waiting_on"] == "none"
    for words in (("cancel", run), ("start", "--from", run)):
        assert "wfe-mcp start plan_generate_review" in cli.json(*words).document["error"]["hint"]


def test_an_imported_session_goes_out_and_comes_back_the_same(cli: Terminal) -> None:
    run, _ = come_in(cli, laid(cli, session()))

    assert cli.json("export", run, "run.json").code == 0

    inputs = json.loads((cli.root / "run.json").read_text())["documents"][2]["content"]
    assert inputs["session"] == session()
    assert inputs["files"]["iteration-1/planning-prompt.md"] == "Plan ${everything}.\n"
    assert cli.json("import", "run.json").data["was_here"] is True


def test_many_claims_of_a_session_are_listed_by_show_and_counted_by_status(cli: Terminal) -> None:
    lost = [session()["artifacts"][0] | {"path": f"gone/{index}.java"} for index in range(300)]
    run, origin = come_in(cli, laid(cli, session(artifacts=lost, last_error="x" * 5_000)))

    assert len(cli.json("show", run).data["imported"]["statements"]) == len(origin["statements"]) > 300
    assert "/artifacts/299 names gone/299.java, which is not there" in cli("show", run, "--at", "3").out
    brief = cli.json("status", run, "--full").data["imported"]
    assert (len(brief["statements"]), brief["more_statements"]) == (5, len(origin["statements"]) - 5)


def test_code_that_no_bundle_can_hold_is_kept_by_name_only(cli: Terminal) -> None:
    folder = laid(cli, session())
    (folder / "iteration-1" / "code" / "Tier.class").write_bytes(b"\xca\xfe\xba\xbe")

    run, origin = come_in(cli, folder)

    assert origin["not_carried"] == [{"path": "iteration-1/code/Tier.class", "message": "is no UTF-8 text"}]
    assert len(artifact(cli, run, "generate")["files"]) == 2


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="one file on such a file system")
def test_two_files_that_are_one_elsewhere_refuse_the_session(cli: Terminal) -> None:
    folder = laid(cli, session(), FILES | {"iteration-1/code/tier.java": JAVA})

    message = cli.json("import", str(folder))

    assert (message.refusal, message.document["error"]["message"].startswith("iteration-1 is refused")) == (
        "invalid_artifact",
        True,
    )


def test_a_dry_run_shows_and_stores_nothing(cli: Terminal) -> None:
    message = cli.json("import", str(laid(cli, session())), "--dry-run")

    assert (message.code, message.data["dry_run"]) == (0, True)
    assert message.data["imported"]["statements"]
    assert cli.json("list").data["runs"] == []


# -- what is refused ---------------------------------------------------------------------------------------------------


def raw(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "session.json").write_text(text)


def changed(**more: Any) -> Callable[[Path], object]:
    return raw(json.dumps(session(**more)))


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


LEGACY = [{"file_path": "x", "phase": "plan", "iteration": 1, "created_at": "2026-01-02T10:00:00"}]
BROKEN: tuple[tuple[str, Callable[[Path], object], str, str], ...] = (
    ("no JSON", raw("{"), "invalid_artifact", ""),
    ("a key twice", raw('{"phase": "plan", "phase": "plan"}'), "invalid_artifact", "/phase"),
    ("no number", raw('{"retry_count": NaN}'), "invalid_artifact", ""),
    ("nested", raw("[" * 500 + "]" * 500), "too_large", ""),
    ("no object", raw("[]"), "invalid_artifact", ""),
    ("an unknown key", changed(verdict="PASS"), "invalid_artifact", "/verdict"),
    ("a legacy key", changed(artifacts=LEGACY), "invalid_artifact", "/artifacts/0/path"),
    ("another type", changed(plan_approved="yes"), "invalid_artifact", "/plan_approved"),
    ("an unknown phase", changed(phase="deploy"), "invalid_artifact", "/phase"),
    ("no time", changed(created_at="0001-01-01T00:00:00+14:00"), "invalid_artifact", "/created_at"),
    ("nothing made", changed(phase="init"), "invalid_artifact", "/phase"),
    ("no such iteration", changed(phase="plan", current_iteration=2), "invalid_artifact", "/current_iteration"),
    ("endless iterations", changed(current_iteration=10**12), "invalid_artifact", "/current_iteration"),
    ("no session.json", without("session.json"), "bad_argument", "session.json"),
    (
        "an answer missing",
        without("iteration-1/review-response.md"),
        "invalid_artifact",
        "iteration-1/review-response.md",
    ),
    ("no text", lambda folder: (folder / "plan.md").write_bytes(b"\xff\xfe"), "invalid_artifact", "plan.md"),
    (
        "a huge answer",
        lambda folder: (folder / "iteration-1" / "planning-response.md").write_text("x" * 2_000_000),
        "too_large",
        "",
    ),
    ("a huge folder", lambda folder: (folder / "big").write_bytes(b"x" * 10_000_001), "too_large", ""),
)


@pytest.mark.parametrize(("what", "change", "code", "place"), BROKEN, ids=[each[0] for each in BROKEN])
@pytest.mark.requirement("S0-14")
@pytest.mark.attack("a session of another system that is broken or a bomb", "held", "T7")
def test_a_broken_session_is_refused_at_its_place_and_nothing_is_kept(
    cli: Terminal, what: str, change: Callable[[Path], object], code: str, place: str
) -> None:
    del what
    folder = laid(cli, session())
    change(folder)

    message = cli.json("import", str(folder))

    assert (message.code, message.refusal) == (1, code)
    details = message.document["error"].get("details", [{"path": ""}])
    assert place in [one["path"] for one in details]
    assert message.document["error"]["hint"]
    assert cli.json("list").data["runs"] == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.attack("a link in a session that leads out of it", "held", "T5")
def test_a_link_in_a_session_is_not_followed(cli: Terminal) -> None:
    folder = laid(cli, session())
    (cli.root / "secret").write_text("mine")
    (folder / "iteration-1" / "code" / "Link.java").symlink_to(cli.root / "secret")

    message = cli.json("import", str(folder))

    assert message.refusal == "path_outside_project"
    assert cli.json("list").data["runs"] == []
