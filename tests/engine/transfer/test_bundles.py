"""An imported run is whole or not there, costs its size once, and counts for nothing that is judged here."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.approvals.people import ada
from tests.engine.scene import AGENT, HUMAN, NOTE, Scene, approval, command, phase, refused
from tests.forged import Bundle, signed, unnamed
from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.grants import give_grant
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.importing import import_run
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.engine.transfer.importing import ImportedRun


def bundle_of(scene: Scene, run: str) -> bytes:
    return b"".join(export_run(scene.engine, run).lines())


def bring(scene: Scene, content: bytes) -> ImportedRun:
    return import_run(scene.engine, AGENT, io.BytesIO(content))


def changed(content: bytes, **more: list[dict[str, Any]]) -> bytes:
    """The bundle with more rows in some sections; anyone who forges it forges the log along."""

    def change(bundle: Bundle) -> None:
        unnamed(bundle)
        for name, rows in more.items():
            bundle[name] += rows

    return signed(content, change)


KILLED = """
import os, signal, sys
from wfe_mcp.store.maintenance.bundles import BundleRepository
from wfe_mcp.store.settings import SettingsLogRepository

left = [int(sys.argv[1])]

def dying(write):
    def write_and_die(self, *args):
        write(self, *args)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return write_and_die

BundleRepository._in_parts = dying(BundleRepository._in_parts)
SettingsLogRepository.note = dying(SettingsLogRepository.note)
from wfe_mcp.cli.app import main
sys.exit(main(["import", sys.argv[2], "--json"]))
"""


@pytest.mark.parametrize("part", [1, 2, 3, 5, 12])
def test_an_import_that_is_killed_leaves_nothing_and_works_the_next_time(
    scene: Scene, other: Scene, tmp_path: Path, part: int
) -> None:
    run = scene.start(phase("draft"), phase("send", approval()))
    scene.do(run, "draft")
    file = tmp_path / "run.json"
    file.write_bytes(bundle_of(scene, run))
    env = other.environment | {
        "WFE_DATABASE_URL": f"sqlite:///{(tmp_path / 'other' / 'wfe.db').as_posix()}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    argv = [sys.executable, "-c", KILLED, str(part), str(file)]
    died = subprocess.run(argv, cwd=other.root, env=env, capture_output=True, timeout=60, check=False)

    assert b"Error" not in died.stderr, "it was killed, and did not fail by itself"
    assert died.returncode == (-signal.SIGKILL if os.name == "posix" else signal.SIGTERM), died.stdout
    with other.store.read() as tx:
        assert tx.runs.page().runs == ()
        assert tx.settings_log.problems() == []
    assert bring(other, file.read_bytes()).was_here is False
    with other.store.read() as tx:
        assert tx.verification.problems(other.engine.load(tx, run).record.id) == []


def large(scene: Scene, events: int, artifacts: int, size: int) -> str:
    """A run with so many events, and so many artifacts of so many bytes."""
    run = scene.start(phase("draft"))
    with scene.store.tx() as tx:
        loaded = scene.engine.load(tx, run)
        state, lines = loaded.state, list[e.Event]()
        for number in range(events):
            lines.append(e.AutoSwitched(auto=bool(number % 2)))
            state = evolve(state, lines[-1])
        tx.runs.save(loaded, state, lines, HUMAN, scene.clock())
    text = "x" * size
    for number in range(artifacts):
        content = canonical_json({"title": f"{number}", "body": text})
        with scene.store.tx() as tx:
            tx.artifacts.add_revision(
                loaded.record.id,
                PhasePath("draft"),
                1,
                1,
                "draft_note",
                "inline",
                content,
                sha256_hex(content),
                "agent",
                "",
                scene.clock(),
            )
    return run


def test_a_large_run_is_held_once_when_it_leaves_and_when_it_comes_in(
    scene: Scene, other: Scene, tmp_path: Path
) -> None:
    run = large(scene, 2_000, 20, 990_000)
    export_run(scene.engine, scene.start(phase("draft"), name="warm"))
    file = tmp_path / "large.json"

    tracemalloc.start()
    with file.open("wb") as target:
        target.writelines(export_run(scene.engine, run).lines())
    left = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    with file.open("rb") as source:
        import_run(other.engine, AGENT, source)
    came = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    size = file.stat().st_size
    assert size > 20_000_000
    assert left < 1.6 * size
    assert came < 1.9 * size
    assert bundle_of(other, run) == file.read_bytes()


def test_what_a_bundle_says_of_tests_moves_no_measure_here(scene: Scene, other: Scene) -> None:
    for each in (scene, other):
        each.check("unit", "print('1 passed')")
    run = scene.start(phase("build", command("unit")))
    scene.do(run, "build")
    forged: dict[str, Any] = {
        "id": "ev-0000000000000000",
        "phase": "build",
        "attempt": 1,
        "iteration": 1,
        "stage": "after",
        "gate": 0,
        "kind": "command",
        "at": scene.clock().isoformat(),
        "data": {"check": "unit", "passed": True, "tests": {"skipped": 900}},
    }
    bring(other, changed(bundle_of(scene, run), evidence=[forged]))

    with other.store.read() as tx:
        later = other.clock() + timedelta(hours=1)
        mine = other.engine.load(tx, run).record
        assert tx.evidence.skipped_before(other.engine.project_id, mine.id, "unit", later, mine.created_at) is None


def test_an_opinion_in_a_bundle_is_no_ones_answer_here(scene: Scene, other: Scene) -> None:
    run = scene.start(phase("draft"))
    scene.do(run, "draft")
    sha256 = sha256_hex("anything")
    answer: dict[str, Any] = {
        "id": "op-1",
        "phase": "draft",
        "attempt": 1,
        "asked_by": "gate",
        "reviewer": "reviewer",
        "provider": "second",
        "model": "m",
        "question_sha256": sha256,
        "artifact_sha256": sha256,
        "verdict": "approve",
        "at": scene.clock().isoformat(),
        "value": {"verdict": "approve"},
    }
    bring(other, changed(bundle_of(scene, run), opinions=[answer]))

    with other.store.read() as tx:
        mine = other.engine.load(tx, run).record
        assert len(tx.opinions.of_run(mine.id)) == 1
        assert (
            tx.opinions.same_question(other.engine.project_id, "gate", "reviewer", "second", "m", sha256, sha256)
            is None
        )


def test_calls_in_a_bundle_use_up_no_limit_here(scene: Scene, other: Scene) -> None:
    run = scene.start(phase("draft"))
    call: dict[str, Any] = {
        "id": "call-1",
        "phase": "draft",
        "attempt": 1,
        "job_id": "gone",
        "purpose": "work",
        "role": "reviewer",
        "provider": "second",
        "model": "m",
        "status": "started",
        "started_at": scene.clock().isoformat(),
        "requests": 0,
        "input_tokens": 9_000_000,
        "output_tokens": 1,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reserved_tokens": 9_000_000,
        "reserved_usd": 1000.0,
    }
    bring(other, changed(bundle_of(scene, run), model_calls=[call]))

    before = other.clock() - timedelta(days=1)
    with other.store.read() as tx:
        assert tx.model_calls.in_flight("second", before) == 0
        assert tx.model_calls.started_since("second", before) == []
        assert tx.model_calls.usage(project_id=other.engine.project_id, since=before).calls == 0
        assert tx.model_calls.usage(run_id=other.engine.load(tx, run).record.id).calls == 1


@pytest.mark.parametrize("data", [None, "text", [1], 3])
def test_evidence_without_data_that_anything_could_read_is_refused_at_its_place(
    scene: Scene, other: Scene, data: object
) -> None:
    scene.check("unit", "print('1 passed')")
    run = scene.start(phase("build", command("unit")))
    scene.do(run, "build")

    def change(bundle: Bundle) -> None:
        unnamed(bundle)
        bundle["evidence"][0]["data"] = data

    no = refused(bring, other, signed(bundle_of(scene, run), change))

    assert (no.code, no.details[0].path) == ("invalid_artifact", "/evidence/0/data")


def test_an_imported_run_holds_neither_the_working_tree_nor_a_lock(scene: Scene, other: Scene) -> None:
    for each in (scene, other):
        each.check("unit", "print('1 passed')")
    run = scene.start(phase("build", command("unit"), locks=["release"]))
    scene.begin(run, "build")
    bring(other, bundle_of(scene, run))

    own = other.start(phase("build", command("unit"), locks=["release"]))

    assert other.begin(own, "build").ok
    with other.store.read() as tx:
        assert [one.run_id for one in tx.runs.open_attempts()] == [own]
        assert tx.runs.open_ids(other.engine.project_id) == [own]


def test_the_loops_steps_and_refused_drafts_of_a_run_come_along(scene: Scene, other: Scene) -> None:
    item = {
        "type": "object",
        "required": ["parts"],
        "properties": {"parts": {"type": "array", "items": {"type": "object"}}},
    }
    plan = {"id": "plan", "prompt": "Plan.", "output": {"artifact": "plan", "schema": item}}
    make = {"id": "make", "prompt": "Make.", "output": {"artifact": "made", "schema": NOTE}}
    loop = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${artifacts.plan.parts}", "as": "part"},
        "phases": [make],
    }
    run = scene.start(plan, loop)
    scene.do(run, "plan", {"parts": [{"id": "a"}, {"id": "b"}]})
    scene.do(run, "build[a].make", {"title": "one"})
    scene.begin(run, "build[b].make")
    (scene.root / "draft.json").write_bytes(b"\xff\x00 no text")
    assert refused(scene.submit, run, "build[b].make", path="draft.json").code == "invalid_artifact"

    content = bundle_of(scene, run)
    found = bring(other, content)

    assert found.revisions == 2
    assert bundle_of(other, run) == content
    assert other.state(run) == scene.state(run)
    drafts = list[bytes]()
    for each in (scene, other):
        with each.store.read() as tx:
            drafts += [one.raw for one in tx.artifacts.refused_submissions(RunId(run), PhasePath("build[b].make"), 1)]
    assert len(drafts) == 2
    assert drafts[0] == drafts[1]


def test_a_log_leaves_with_its_end_and_is_cut_once(scene: Scene, other: Scene) -> None:
    scene.check("unit", "import sys; sys.stdout.buffer.write(b'begin' + bytes([255]) * 400_000 + b' the end')")
    run = scene.start(phase("build", command("unit")))
    scene.do(run, "build")
    log = next((scene.root / ".wfe" / "runs" / run).rglob("*.log"))

    content = bundle_of(scene, run)
    bring(other, content)

    there = other.root / log.relative_to(scene.root)
    text = there.read_text(encoding="utf-8")
    assert text.startswith("[cut: the end of ")
    assert text.endswith("the end")
    assert bundle_of(other, run) == content


def test_the_person_who_brought_a_run_in_is_in_the_log_of_settings(scene: Scene, other: Scene) -> None:
    run = scene.start(phase("draft"))
    import_run(other.engine, HUMAN, io.BytesIO(bundle_of(scene, run)))

    with other.store.read() as tx:
        (noted,) = [event for event in tx.settings_log.events() if event.type == "RunImported"]
    assert noted.name.startswith(run)
    assert noted.actor == "ada"


def test_a_run_that_was_cancelled_elsewhere_ends_no_standing_grant(scene: Scene, other: Scene) -> None:
    other.human = person = ada(other)
    other.define(phase("plan", approval()))
    draft = draft_grant(other.engine, "drill", "plan", "${true}", 1, other.clock() + timedelta(hours=1))
    give_grant(other.engine, person, draft, "")
    scene.clock.advance(minutes=1)
    run = scene.start(phase("plan", approval()))
    answers.control_run(scene.engine, AGENT, run, "cancel")
    bring(other, bundle_of(scene, run))
    other.clock.advance(minutes=2)
    own = other.start(phase("plan", approval()))
    other.do(own, "plan")
    assert ask_approval(other.engine, AGENT, own, "plan").ok
