"""Evidence and verdicts that no process of wfe-mcp made: appended through our own code. ``verify`` names them."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path
from threading import Barrier

import pytest

from tests.engine.scene import AGENT, GOOD, LONG_ENOUGH, Scene, approval, command, phase
from tests.sandboxes import NEEDS_SANDBOX
from tests.security.forger import Forger, found
from wfe_mcp.core import commands as c
from wfe_mcp.core.events import ApprovalAwaited, GateJudged, TreeChanged
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import RunId, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.evaluation.check_again import check_again, failed_again
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.evidence_seals import MADE, ServerKey, server_key
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

PLAN = PhasePath("plan")


def judging(scene: Scene) -> str:
    """A run whose plan is under a check that fails, before the check has run."""
    scene.check("ok", "raise SystemExit(1)")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    return run


def append_pass(scene: Scene, run: str, evidence: EvidenceRecord | None) -> None:
    """What an agent with a shell can do in ten lines: our own functions, and a verdict of its own."""
    attempt = scene.attempt(run, "plan")
    with change_run(scene.engine, run, SYSTEM) as current:
        if evidence is not None:
            current.tx.evidence.add(evidence)
        current.give(
            c.RecordVerdict(
                stage=Stage.AFTER,
                gate=attempt.gate,
                outcome=GateOutcome.PASS,
                sha256=attempt.sha256 or "",
                message="412 passed",
                evidence=None if evidence is None else evidence.id,
                **current.values_of(attempt),
            )
        )


def made(scene: Scene, run: str) -> EvidenceRecord:
    attempt = scene.attempt(run, "plan")
    return EvidenceRecord(
        id="ev-0000000000000000",
        run_id=current_id(scene, run),
        phase=PLAN,
        attempt=1,
        iteration=1,
        stage=Stage.AFTER,
        gate=attempt.gate,
        kind="command",
        sha256=attempt.sha256,
        tree=attempt.tree,
        head=None,
        log_path=None,
        at=scene.clock(),
        data={"check": "ok", "exit_code": 0, "passed": True, "outcome": "pass"},
    )


def current_id(scene: Scene, run: str) -> RunId:
    with scene.store.read() as tx:
        return scene.engine.load(tx, run).record.id


@pytest.mark.attack("a passing verdict with evidence is appended through our own code", "detected", "T1; T11")
def test_a_verdict_appended_through_our_own_code_is_found(scene: Scene) -> None:
    run = judging(scene)
    append_pass(scene, run, made(scene, run))
    assert scene.attempt(run, "plan").status == "awaiting"
    assert {(one.code, one.where) for one in found(scene)} == {
        ("evidence_unsealed", "evidence ev-0000000000000000"),
        ("evidence_unsealed", "verdict on plan"),
    }


@pytest.mark.attack("a passing verdict without evidence is appended through our own code", "detected", "T1; T11")
def test_a_verdict_without_evidence_is_found(scene: Scene) -> None:
    run = judging(scene)
    append_pass(scene, run, None)
    assert [(one.code, one.where) for one in found(scene)] == [("evidence_unsealed", "verdict on plan")]


@pytest.mark.attack(
    "a passing verdict is appended where a log is longer than what one look reads", "detected", "T1; T11"
)
def test_a_verdict_after_a_thousand_events_is_found(scene: Scene) -> None:
    run = judging(scene)
    with change_run(scene.engine, run, SYSTEM) as current:
        for _ in range(500):
            current.give(c.Pause(by=SYSTEM, at=current.at))
            current.give(c.Resume(by=SYSTEM, at=current.at))
    append_pass(scene, run, None)
    assert [(one.code, one.where) for one in found(scene)] == [("evidence_unsealed", "verdict on plan")]


@pytest.mark.attack("evidence without a seal names an origin, and a time before evidence had seals", "detected", "T11")
def test_evidence_of_a_run_of_here_comes_from_no_other(scene: Scene) -> None:
    run = judging(scene)
    piece = made(scene, run)
    old = scene.clock().replace(year=2020)
    with change_run(scene.engine, run, SYSTEM) as current:
        current.tx.evidence.add(replace(piece, at=old, data={**piece.data, "origin": {"run": "r", "id": "ev-1"}}))
        current.give(c.Pause(by=SYSTEM, at=current.at))
    assert [(one.code, one.where) for one in found(scene)] == [("evidence_unsealed", f"evidence {piece.id}")]


@pytest.mark.attack("evidence of another attempt is named by an appended verdict", "detected", "T1; T11")
def test_a_verdict_that_borrows_the_evidence_of_another_gate_is_found(scene: Scene) -> None:
    scene.check("fine", "pass")
    scene.check("ok", "raise SystemExit(1)")
    run = scene.start(phase("plan", command("fine"), command("ok"), approval()))
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    scene.work_one()
    with scene.store.read() as tx:
        (evidence,) = tx.evidence.of_run(current_id(scene, run))
    attempt = scene.attempt(run, "plan")
    assert attempt.gate == 1
    with change_run(scene.engine, run, SYSTEM) as current:
        current.give(
            c.RecordVerdict(
                stage=Stage.AFTER,
                gate=1,
                outcome=GateOutcome.PASS,
                sha256=attempt.sha256 or "",
                evidence=evidence.id,
                **current.values_of(attempt),
            )
        )
    (one,) = found(scene)
    assert one.code == "evidence_unsealed" and "another gate" in one.message


def test_what_the_server_judged_has_its_seal(scene: Scene) -> None:
    scene.check("ok", "pass")
    gate = {"kind": "expr", "assert": LONG_ENOUGH["assert"] % "plan"}
    run = scene.start(phase("plan", command("ok"), gate, approval()))
    scene.do(run, "plan")
    assert found(scene) == []
    with scene.store.read() as tx:
        (evidence,) = tx.evidence.of_run(current_id(scene, run))
    assert evidence.data["seal"]["by"] == "command"


@pytest.mark.attack(
    "the verdict on earlier files is appended once more, with its sealed evidence", "detected", "T1; T11"
)
def test_evidence_of_one_verdict_is_that_of_no_other(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    assert found(scene, run) == []
    with scene.store.tx() as tx:
        loaded = scene.engine.load(tx, run)
        judged = next(event for event in tx.events.core_events(loaded.record.id) if isinstance(event, GateJudged))
        changed = TreeChanged(phase=PLAN, attempt=1, tree="f" * 40)
        events = (changed, judged, ApprovalAwaited(phase=PLAN, attempt=1))
        tx.runs.save(loaded, reduce(evolve, events, loaded.state), events, SYSTEM, scene.clock())
    assert [(one.code, one.message) for one in found(scene, run)] == [
        ("evidence_unsealed", "its evidence was that of an earlier verdict")
    ]


@pytest.mark.attack("sealed evidence is changed, and the log sealed and chained again", "detected", "T11")
def test_evidence_that_was_changed_has_no_seal_any_more(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    with change_run(scene.engine, run, SYSTEM) as current:
        (evidence,) = current.tx.evidence.of_run(current.run.id)
        other = replace(evidence, id="ev-1", data=evidence.data | {"tests": {"passed": 412}})
        current.tx.evidence.add(other)
    assert [(one.code, one.where) for one in found(scene)] == [("evidence_unsealed", "evidence ev-1")]


def test_evidence_from_before_there_were_seals_is_counted_and_no_fault(scene: Scene, tmp_path: Path) -> None:
    run = judging(scene)
    append_pass(scene, run, made(scene, run))
    forger = Forger(f"sqlite:///{tmp_path / 'wfe.db'}")
    forger.do("DELETE FROM setting_event WHERE type IN ('EvidenceSealsBegun', 'ServerKeyMade')")
    answer = verify(scene.engine)
    assert not [one for one in answer.findings if one.code == "evidence_unsealed"]
    assert any("from before evidence was signed" in note for note in answer.notes)


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
def test_the_key_is_in_a_file_that_its_user_alone_may_read(scene: Scene, tmp_path: Path) -> None:
    scene.check("ok", "pass")
    scene.do(scene.start(phase("plan", command("ok"))), "plan")
    file = tmp_path / "keys/server.key"
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700


LOOK = """
import os, sys
found = [name for name, value in os.environ.items() if 'server.key' in value or sys.argv[1] in value]
for fd in range(3, 256):
    try:
        if sys.argv[1].encode() in os.pread(fd, 1000, 0) or 'server.key' in os.readlink(f'/proc/self/fd/{fd}'):
            found.append(fd)
    except OSError:
        pass
raise SystemExit(1 if found else 0)
"""


@pytest.mark.attack("a check looks for the server's key in its variables and open files", "held", "T3")
def test_no_child_is_given_the_key(scene: Scene, tmp_path: Path) -> None:
    scene.check("first", "pass")
    scene.do(scene.start(phase("plan", command("first"))), "plan")
    key = (tmp_path / "keys/server.key").read_text()
    scene.check("look", f"import sys; sys.argv.append({key!r})\n{LOOK}")
    run = scene.start(phase("plan", command("look"), approval()), name="second")
    assert scene.do(run, "plan").state == "awaiting"


@NEEDS_SANDBOX
@pytest.mark.attack("a check in a sandbox reads the server's key", "held", "T3; T4")
def test_a_sandbox_hides_the_key(scene: Scene, tmp_path: Path) -> None:
    scene.check("first", "pass")
    scene.do(scene.start(phase("plan", command("first"))), "plan")
    file = tmp_path / "keys/server.key"
    assert file.exists()
    base = str(Path(sys.base_prefix, "bin", Path(sys.executable).name))
    code = f"import os; raise SystemExit(os.path.exists({str(file)!r}))"
    config = scene.root / ".wfe/config.toml"
    config.write_text(
        f'[checks.look]\nargv = {json.dumps([base, "-S", "-c", code])}\nwhere = "checkout"\nsandbox = true\n'
    )
    scene.trust_config()
    run = scene.start(phase("plan", command("look"), approval()), name="second")
    assert scene.do(run, "plan").state == "awaiting"


@pytest.mark.attack("a check fails once the agent no longer holds it up", "detected", "T1; T15")
def test_a_check_that_fails_when_it_runs_again_is_named_and_refused(scene: Scene, tmp_path: Path) -> None:
    flag = tmp_path / "elsewhere"
    scene.check("ok", f"import os; raise SystemExit(os.path.exists({str(flag)!r}))")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    flag.write_text("")
    refusal = failed_again(check_again(scene.engine, run, "plan"))
    assert refusal is not None and refusal.code == "gate_failed" and "'ok'" in refusal.message
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert [(line.gate, line.state) for line in view.evidence[:1]] == [("ok", "fail")]
    assert found(scene) == []


def test_threads_that_judge_first_at_once_share_one_key(scene: Scene) -> None:
    """Agents of one server do: a verdict of the others would have no seal."""
    together = Barrier(8)

    def first(_: int) -> bytes:
        together.wait()
        return server_key(scene.engine).private_bytes_raw()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            (scene.engine.store.place.parent / "keys" / "server.key").unlink(missing_ok=True)
            assert len(set(pool.map(first, range(8)))) == 1


def test_a_key_that_was_noted_where_nothing_was_kept_is_noted_again(scene: Scene) -> None:
    key = ServerKey()
    with suppress(RuntimeError), scene.store.tx() as tx:
        key.signer(scene.engine, tx)
        raise RuntimeError
    with scene.store.tx() as tx:
        public, _ = key.signer(scene.engine, tx)
    with scene.store.read() as tx:
        assert tx.settings_log.first_noted(MADE, public) is not None
