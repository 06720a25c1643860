"""A changed file of an accepted artifact blocks the run or gives a warning."""

import json
import os
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, phase, refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.views.answers import tool_answers as answers

EDITED = json.dumps({"title": "What nobody approved"})


def approved(scene: Scene, policy: str) -> tuple[str, Path]:
    """A run whose plan a person approved, and the file of that plan."""
    scene.write(".wfe/config.toml", f"[artifacts]\non_mismatch = '{policy}'\n")
    scene.trust_config()
    run = scene.start(phase("plan", approval()), phase("build", prompt="Build ${artifacts.plan_note.title}"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    return run, scene.mirror(run, "plan", 1, "artifact.json")


@pytest.mark.attack("edit the file of an approved artifact, so that later phases work by it", "held", "S0-19")
@pytest.mark.requirement("B-04", "S0-19")
def test_no_phase_ever_reads_the_edited_file(scene: Scene) -> None:
    run, file = approved(scene, "warn")
    file.write_text(EDITED, encoding="utf-8")
    assert "A good title" in scene.begin(run, "build").data["prompt"]
    assert answers.read_artifact(scene.engine, AGENT, run, "plan").data["content"] == GOOD


@pytest.mark.attack("edit the file of an approved artifact, so that people work by it (block)", "held", "S0-19")
@pytest.mark.requirement("B-04", "S0-19")
def test_nothing_new_starts_over_an_edited_file(scene: Scene) -> None:
    run, file = approved(scene, "block")
    file.write_text(EDITED, encoding="utf-8")
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"
    assert scene.attempt(run, "build").status == "ready"


@pytest.mark.attack("edit the file of an approved artifact, so that people work by it (warn)", "detected", "S0-19")
@pytest.mark.requirement("B-04", "S0-19")
def test_an_edited_file_is_named_by_status_and_verify(scene: Scene) -> None:
    run, file = approved(scene, "warn")
    file.write_text(EDITED, encoding="utf-8")
    place = f".wfe/runs/{run}/plan/1/artifact.json"
    assert scene.status(run).data["warnings"] == [
        f"{place} differs from the accepted artifact of plan; the accepted one counts"
    ]
    assert [(one.code, one.where) for one in verify(scene.engine, run).findings] == [("artifact_changed", place)]


@pytest.mark.attack("edit an approved artifact and set the file's time back", "held", "S0-19")
def test_a_file_with_its_old_time_and_size_is_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.engine.files.drift._FRESH_NS", 0)  # else a new file is read with every call anyway
    run, file = approved(scene, "block")
    before = file.stat()
    assert scene.status(run).waiting_on == "agent"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("A good title", "A evil title"), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"


@pytest.mark.attack("set warn in an untrusted configuration", "held", "S0-19")
def test_a_looser_policy_counts_only_once_it_is_trusted(scene: Scene) -> None:
    run, file = approved(scene, "block")
    scene.write(".wfe/config.toml", "[artifacts]\non_mismatch = 'warn'\n")
    file.write_text(EDITED, encoding="utf-8")
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"


@pytest.mark.attack("edit the artifact while a person is asked", "held", "S0-18")
def test_an_edit_before_the_approval_is_judged_and_asked_about_again(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    sha256 = scene.attempt(run, "plan").sha256
    scene.mirror(run, "plan", 1, "artifact.json").write_text(EDITED, encoding="utf-8")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan", sha256=sha256)
    assert no.code == "stale_revision"
    assert scene.attempt(run, "plan").status == "awaiting"
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan", sha256=sha256).code == "stale_revision"


@pytest.mark.attack("accept one's own edit as an agent", "held", "S0-19")
def test_an_agent_accepts_no_edit(scene: Scene) -> None:
    from wfe_mcp.engine.runs.sealed_file_repair import accept_edit

    run, file = approved(scene, "block")
    file.write_text(EDITED, encoding="utf-8")
    assert refused(accept_edit, scene.engine, AGENT, run, PhasePath("plan")).code == "needs_human"
