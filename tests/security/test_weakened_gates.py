"""A weakened gate is visible wherever a run is shown, and verify finds one that the user never trusted."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.engine.scene import AGENT, Scene, approval, phase
from tests.packages import install_sample, on_the_path
from wfe_mcp.core.commands import StartRun
from wfe_mcp.core.decide import decide
from wfe_mcp.core.evidence_levels import GateDifference
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import RunState
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.start import new_run_id, start_run
from wfe_mcp.engine.templates.catalogue import installed_definition
from wfe_mcp.store.records.runs import NewRun
from wfe_mcp.workflow.load import digest

SKIP = '\n[templates.deed.phases.sign]\napprover = "skip"\n[artifacts]\non_mismatch = "warn"\n'
SAID = "your approval is no longer required"


@pytest.fixture
def loosened(cli: Terminal) -> Terminal:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + SKIP)
    assert cli("trust", "--yes", pin=PIN).code == 0
    return cli


def test_a_weakened_gate_is_shown_in_status_show_the_approval_and_the_hand_off(loosened: Terminal) -> None:
    cli, config = loosened, str(loosened.root / ".wfe" / "config.toml")
    run = cli.start("deed")
    status = cli("status", run).out
    assert "WEAKENED (2 gates)" in status
    (line,) = [each for each in status.splitlines() if "gates weakened:" in each]
    assert f"sign: {SAID} (templates.deed.phases.sign.approver in {config})" in line
    assert any(SAID in each for each in cli.json("status", run).data["gates_weakened"])
    assert f"weakened gate: sign: {SAID} (templates.deed.phases.sign.approver in {config})" in cli("show", run).out
    (first, _) = cli.json("show", run).data["gates"]
    assert (first["phase"], first["weakens"], first["source"]) == ("sign", True, config)
    assert SAID in cli("handoff", run).out
    letter = cli.start("letter")
    cli.submit_work(letter, "draft")
    cli.submit_work(letter, "send")
    asked = cli("approve", letter, "send", pin="wrong")
    assert "UNUSUAL" in asked.out
    assert "weakened: a changed file of an accepted artifact" in asked.out
    unusual = cli.json("approve", letter, "send", pin="wrong").data["asked"]["unusual"]
    (weaker,) = [one["text"] for one in unusual if one["weight"] == "weakened"]
    assert "a changed file of an accepted artifact" in weaker


def test_a_run_as_its_template_says_so(cli: Terminal) -> None:
    run = cli.start("deed")
    assert "Gates as in the template." in cli("show", run).out
    assert "gates_weakened" not in cli.json("status", run).data
    assert "WEAKENED" not in cli("status", run).out


def test_verify_accepts_what_you_trusted(loosened: Terminal) -> None:
    loosened.start("deed")
    assert loosened("verify").code == 0


@pytest.mark.attack("trust in a weaker gate is written into the database", "detected", "design §7")
def test_verify_fails_where_the_weaker_gate_was_never_trusted(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + SKIP)
    with closing(sqlite3.connect(cli.database)) as database, database:
        row = database.execute("select * from trust where path_key = ?", [str(config)]).fetchone()
        names = [each[1] for each in database.execute("pragma table_info(trust)")]
        given = dict(zip(names, row, strict=True)) | {"sha256": hashlib.sha256(config.read_bytes()).hexdigest()}
        database.execute(
            f"insert into trust ({','.join(names)}) values ({','.join('?' * len(names))})", [*given.values()]
        )
    database.close()
    run = cli.start("deed")
    document = cli.json("verify", run)
    assert document.code == 1
    weaker = [one for one in document.data["problems"] if one["code"] == "gates_weakened"]
    assert {one["where"] for one in weaker} == {"approval gate of sign", "artifact gate of every phase"}
    assert all("not trusted when the run started" in one["message"] for one in weaker)


@pytest.mark.attack(
    "a run is started through the project's own code with fewer gates than its template", "detected", "design §7"
)
@pytest.mark.parametrize("gates", [(), None, (GateDifference("plan", "approval", SAID, True),)])
def test_verify_fails_for_a_run_that_was_started_with_fewer_gates(
    scene: Scene, gates: tuple[GateDifference, ...] | None
) -> None:
    scene.start(phase("plan", approval()))
    assert verify(scene.engine).findings == ()
    scene.clock.advance(minutes=1)
    made = scene.define(phase("plan", approval()))
    write_run(scene, made, {**made, "phases": [phase("plan")]}, gates)
    assert {one.code for one in verify(scene.engine).findings} == {"gates_weakened"}


@pytest.mark.attack(
    "a run is started through the project's own code from a template with the name compile a shipped one",
    "detected",
    "design §7",
)
def test_verify_compares_a_run_with_the_shipped_template_of_its_name_unless_that_was_another_then(scene: Scene) -> None:
    made = {**scene.define(phase("plan")), "name": "quick_fix"}
    write_run(scene, made, made, (), installed="what an earlier version shipped")
    assert verify(scene.engine).findings == ()
    write_run(scene, made, made, (), installed=digest(installed_definition("quick_fix")))
    assert {one.code for one in verify(scene.engine).findings} == {"gates_weakened"}


def test_a_run_verifies_after_an_upgrade_of_a_package_that_changes_its_template(scene: Scene, tmp_path: Path) -> None:
    with on_the_path(install_sample(tmp_path, tmp_path / "site")) as site:
        (file,) = site.rglob("template.json")
        start_run(scene.engine, AGENT, "acme_ticket", {"problem": "Totals are wrong"})
        file.write_text(file.read_text(encoding="utf-8").replace("branch", "git branch"), encoding="utf-8")
        assert verify(scene.engine).findings == ()


def write_run(
    scene: Scene,
    template: dict[str, Any],
    definition: dict[str, Any],
    gates: tuple[GateDifference, ...] | None,
    **frozen: str,
) -> None:
    plan = scene.engine.plans.compile(definition)
    state = RunState()
    events = decide(state, StartRun(spec=plan.spec, gates=gates, by=AGENT, at=scene.clock()))
    for event in events:
        state = evolve(state, event)
    with scene.store.tx() as tx:
        new = NewRun(
            id=new_run_id(),
            project_id=scene.engine.project_id,
            worktree=str(scene.root),
            template=template["name"],
            template_version="1.0.0",
            template_sha256=tx.documents.keep(template),
            definition_sha256=tx.documents.keep(definition),
            title="x",
            inputs={},
            frozen={**frozen},
            idempotency_key=None,
            args_sha256="",
            driver=None,
        )
        tx.runs.create(new, state, events, AGENT, scene.clock())


@pytest.mark.attack("a gate that was skipped once is skipped by putting the old file back", "held", "design §7")
def test_looser_configuration_that_comes_back_is_asked_about_at_the_terminal(loosened: Terminal) -> None:
    cli, config = loosened, loosened.root / ".wfe" / "config.toml"
    loose = config.read_text()
    config.write_text(loose.replace(SKIP, ""))
    assert cli("trust", "--yes", pin=PIN).code == 0
    config.write_text(loose)
    cli.clock.forward(minutes=1)
    run = cli.start("deed")
    assert "gates_weakened" not in cli.json("status", run).data
    answer = cli("trust")
    assert answer.code == 1
    assert "WEAKENS GATES" in answer.out
    assert "+ gates   deed, sign: approver: skip" in answer.out
    assert cli("verify").code == 0
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert "WEAKENED" in cli("status", cli.start("deed")).out
