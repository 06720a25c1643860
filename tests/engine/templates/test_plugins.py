"""The sample package of the documentation, installed and used: its schema, gate, action and template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.test_extend import CONFIGURATION
from tests.engine.model_scene import trust_own
from tests.engine.phases.test_steps_survive import WORKER
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, phase, refused
from tests.engine.step_scene import until
from tests.packages import install, install_sample, on_the_path
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.templates.trust import pending_trust
from wfe_mcp.engine.templates.versions import plugins_seen
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.workspace.system.location import user_config_file

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKET = {"title": "Totals are rounded twice!", "kind": "bug", "files": ["app.py"]}
NO_TODO = {"kind": "plugin", "use": "acme.no_todo", "with": {"words": ["TODO"]}}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(install_sample(tmp_path, tmp_path / "site")) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(tmp_path / "site") as found:
        yield found


def user_config(text: str) -> None:
    user_config_file().parent.mkdir(parents=True, exist_ok=True)
    user_config_file().write_text(text, encoding="utf-8")


def start(scene: Scene) -> str:
    found = answers.start_run(scene.engine, AGENT, "acme_ticket", {"problem": "Totals are wrong"})
    assert found.run is not None
    return found.run


def evidence(scene: Scene, run: str, name: str) -> dict[str, Any]:
    with scene.store.read() as tx:
        return tx.evidence.of_run(scene.engine.load(tx, run).record.id, PhasePath(name))[-1].data


@pytest.mark.requirement("S0-50")
@pytest.mark.usefixtures("home")
def test_a_template_of_a_package_runs_to_its_end_with_all_that_the_package_brings(scene: Scene, sample: Path) -> None:
    assert sample
    user_config(CONFIGURATION)
    trust_own(scene)
    run = start(scene)

    claim = scene.begin(run, "ticket")
    assert claim.data["output"]["schema"]["title"] == "acme.ticket@1"
    done = scene.submit(run, "ticket", TICKET)
    assert (done.state, done.data["verdicts"][-1]["verdict"]) == ("completed", "pass")
    scene.work()
    answer = scene.begin(run, "next")
    assert "The branch will be called totals-are-rounded-twice." in answer.data["prompt"]
    last = scene.submit(run, "next", {"front": {}, "body": "Take totals-are-rounded-twice.\n"})

    assert last.run_state == "completed"
    seen = evidence(scene, run, "ticket")
    assert (seen["gate"], seen["package"]) == ("acme.no_todo", "acme-wfe 1.0.0")
    (review,) = evidence(scene, run, "next")["opinions"]
    assert (review["provider"], review["verdict"]) == ("offline", "pass")
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
        assert tx.documents.load(record.frozen_sha256)["plugins"] == dict.fromkeys(
            ("acme.models", "acme.no_todo", "acme.slug", "acme.ticket@1"), "acme-wfe 1.0.0"
        )
        (call,) = tx.model_calls.filter(record.id)
        assert (call.provider, str(call.purpose), str(call.status)) == ("offline", "opinion", "done")
        assert tx.verification.problems(record.id) == []


def test_its_gate_fails_with_evidence_and_its_schema_names_every_fault(scene: Scene, sample: Path) -> None:
    assert sample
    run = start(scene)
    scene.write("app.py", "VALUE = 1  # TODO\n")
    scene.begin(run, "ticket")

    wrong = answers_of_refusal(scene, run, {"title": " ", "kind": "epic", "file": []})
    failed = scene.submit(run, "ticket", TICKET)

    assert [detail.path for detail in wrong] == ["/title", "/kind", "/file"]
    assert failed.error is not None
    assert (failed.error.code, "1 line(s) are not finished, such as app.py:1:" in failed.error.message) == (
        "gate_failed",
        True,
    )
    log = evidence(scene, run, "ticket")
    assert log["found"]["found"] == ["app.py:1:VALUE = 1  # TODO"]
    assert (scene.root / ".wfe" / "runs" / run / "ticket" / "1" / "evidence" / "no_todo.log").is_file()


def answers_of_refusal(scene: Scene, run: str, artifact: dict[str, Any]) -> list[Any]:
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "ticket", artifact=artifact)
    assert no.code == "invalid_artifact"
    return list(no.details)


def test_a_template_of_a_package_needs_no_trust_and_shows_where_it_comes_from(scene: Scene, sample: Path) -> None:
    assert sample

    (line,) = [
        each for each in reading.list_templates(scene.engine, AGENT).data["templates"] if each["name"] == "acme_ticket"
    ]
    shown = reading.list_templates(scene.engine, AGENT, name="acme_ticket").data["source"]

    assert line["source"] == shown == "package acme-wfe 1.0.0"
    assert pending_trust(scene.engine) == []


def test_a_projects_template_shadows_that_of_a_package_and_needs_trust(scene: Scene, sample: Path) -> None:
    assert sample
    scene.define(phase("plan"), name="acme_ticket", trusted=False)

    no = refused(start, scene)

    assert no.code == "needs_trust"
    assert [one.name for one in pending_trust(scene.engine)] == ["acme_ticket"]


def test_without_the_package_a_run_does_not_start_and_a_gate_that_lost_it_is_an_error(
    scene: Scene, tmp_path: Path
) -> None:
    with on_the_path(install_sample(tmp_path, tmp_path / "site")):
        run = scene.start(phase("plan", NO_TODO, on_fail=[{"do": "wait_human"}]))
    no = refused(scene.start, phase("plan", NO_TODO), name="other")
    left = scene.do(run, "plan", GOOD)

    assert (no.code, "needs acme.no_todo, which no installed package brings" in no.message) == ("unavailable", True)
    assert left.state == "failed"
    assert "No installed package provides the gate 'acme.no_todo'." in scene.attempt(run, "plan").reason


BROKEN = """
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.gates.judgement import Judgement, passed

def raises(scene): raise KeyError("words")
def leaves(scene): raise SystemExit(0)
def says_nothing(scene): return None
def says_true(scene): return True
def awaits(scene): return Judgement(GateOutcome.NEEDS_TRUST, "later")
def no_json(scene): return passed("x", "yes", {"when": object()})
def too_much(scene): return passed("x", "yes", {"all": "x" * 300_000})
def no_program(scene): return scene.run(["no-such-program-anywhere"])
not_callable = 3
def odd_schema(scene): return passed("x", "yes")
odd_schema.with_schema = {"type": 7}
def writes(scene):
    import uuid
    (scene.root / "written.txt").write_text(uuid.uuid4().hex)
    return passed("x", "yes")
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "KeyError: 'words'"),
        ("leaves", "SystemExit: 0"),
        ("says_nothing", "no Judgement"),
        ("says_true", "no Judgement"),
        ("awaits", "no Judgement"),
        ("no_json", "its evidence is not JSON"),
        ("too_much", "longer than 200,000 characters"),
        ("no_program", "its program could not start"),
    ],
)
def test_a_gate_that_breaks_the_rules_is_an_error_and_never_a_pass(
    scene: Scene, site: Path, name: str, words: str
) -> None:
    install(
        site, "acme-broken", {"wfe_mcp.gates": {f"acme.{name}": f"broken_gates:{name}"}}, {"broken_gates.py": BROKEN}
    )
    gate = {"kind": "plugin", "use": f"acme.{name}"}

    run = scene.start(phase("plan", gate, on_fail=[{"do": "wait_human"}]))
    scene.do(run, "plan", GOOD)

    attempt = scene.attempt(run, "plan")
    assert (str(attempt.verdicts[-1].kind), words in attempt.reason) == ("error", True), attempt.reason


@pytest.mark.parametrize(
    ("name", "words"), [("not_callable", "must be a function"), ("odd_schema", "not a valid JSON Schema")]
)
def test_a_gate_that_cannot_be_used_is_an_error_of_the_template_that_names_it(
    scene: Scene, site: Path, name: str, words: str
) -> None:
    install(
        site, "acme-broken", {"wfe_mcp.gates": {f"acme.{name}": f"broken_gates:{name}"}}, {"broken_gates.py": BROKEN}
    )

    no = refused(scene.start, phase("plan", {"kind": "plugin", "use": f"acme.{name}"}))

    assert (no.code, words in no.details[0].message) == ("invalid_template", True)


def test_a_gate_that_changes_the_files_is_an_error_that_names_them(scene: Scene, site: Path) -> None:
    install(site, "acme-broken", {"wfe_mcp.gates": {"acme.writes": "broken_gates:writes"}}, {"broken_gates.py": BROKEN})
    run = scene.start(phase("plan", {"kind": "plugin", "use": "acme.writes"}, on_fail=[{"do": "wait_human"}]))

    scene.do(run, "plan", GOOD)

    attempt = scene.attempt(run, "plan")
    assert (str(attempt.verdicts[-1].kind), "written.txt" in attempt.reason) == ("error", True), attempt.reason


def test_a_gate_before_work_sees_no_artifact_and_its_with_is_filled_in(scene: Scene, site: Path) -> None:
    code = (
        "from wfe_mcp.gates.judgement import failed, passed\n"
        "def judge(scene):\n"
        "    ok = scene.artifact is None and scene.settings == {'goal': 'ship'}\n"
        "    return passed('x', 'as configured') if ok else failed('x', repr(scene), 'fix it')\n"
    )
    install(
        site, "acme-settings", {"wfe_mcp.gates": {"acme.settings": "settings_gate:judge"}}, {"settings_gate.py": code}
    )
    gate = {"kind": "plugin", "use": "acme.settings", "with": {"goal": "${inputs.goal}"}}

    run = scene.start(phase("plan", prompt_gates=[gate]), inputs={"goal": "ship"})
    scene.work()

    assert scene.begin(run, "plan").state == "running"


ACTIONS = """
from wfe_mcp.tools.fault import ToolFault
def fails(params): raise ToolFault("RED on purpose")
def raises(params): raise ZeroDivisionError("oh")
def no_json(params): return {1, 2}
value = 3
"""


@pytest.mark.parametrize(
    ("name", "words", "status"),
    [
        ("fails", "RED on purpose", "failed"),
        ("raises", "ZeroDivisionError: oh", "unknown"),
        ("no_json", "is not JSON", "unknown"),
        ("value", "must be a function", "failed"),
    ],
)
def test_an_action_that_fails_fails_its_step_and_is_never_repeated_by_itself(
    scene: Scene, site: Path, name: str, words: str, status: str
) -> None:
    install(
        site,
        "acme-acts",
        {"wfe_mcp.step_builtins": {f"acme.{name}": f"odd_actions:{name}"}},
        {"odd_actions.py": ACTIONS},
    )
    steps = {
        "id": "ci",
        "kind": "steps",
        "steps": [{"id": "act", "builtin": f"acme.{name}"}],
        "on_fail": [{"do": "wait_human"}],
    }

    run = scene.start(steps)
    scene.work()

    with scene.store.read() as tx:
        (row,) = tx.steps.of_run(scene.engine.load(tx, run).record.id, PhasePath("ci"), 1)
    assert (str(row.status), words in row.error) == (status, True), row.error


HANGS = """
import os, threading
def hangs(params):
    again = os.path.exists(params["file"])
    with open(params["file"], "a") as file:
        file.write("called\\n")
    return {} if again else threading.Event().wait()
"""


@pytest.mark.requirement("B-28")
def test_an_action_of_a_worker_killed_with_kill_9_waits_for_a_person(scene: Scene, site: Path, tmp_path: Path) -> None:
    install(site, "acme-hangs", {"wfe_mcp.step_builtins": {"acme.hangs": "hanging:hangs"}}, {"hanging.py": HANGS})
    calls = tmp_path / "calls"
    step = {"id": "act", "builtin": "acme.hangs", "params": {"file": str(calls)}}
    run = scene.start({"id": "ci", "kind": "steps", "steps": [step], "on_fail": [{"do": "retry", "max_attempts": 9}]})
    argv = [sys.executable, "-c", WORKER, scene.url, str(scene.root)]
    path = os.pathsep.join([str(ROOT), str(site)])
    with subprocess.Popen(argv, env={**scene.environment, "PYTHONPATH": path}) as worker:
        until(lambda: (calls.exists() and calls.read_text(encoding="utf-8")) or worker.poll() is not None)
        assert worker.poll() is None
        worker.kill()

    scene.work()

    tried = scene.attempt(run, "ci")
    assert (tried.number, tried.human_only, "may have completed" in tried.reason) == (1, True, True)
    assert calls.read_text(encoding="utf-8") == "called\n"


def test_a_broken_package_is_reported_piece_by_piece(site: Path) -> None:
    modules = {
        "odd_all.py": "Schema = dict\nTEMPLATE = 7\ngate = 3\n",
        "odd/template.json": '{"name": "acme_odd", "format": "wfe/1"}',
    }
    entries = {
        "wfe_mcp.artifact_schemas": {"acme.odd@1": "odd_all:Schema"},
        "wfe_mcp.gates": {"acme.odd": "odd_all:gate"},
        "wfe_mcp.templates": {"acme_odd": "odd_all:TEMPLATE", "acme_none": "odd_all:nothing"},
        "wfe_mcp.providers": {"acme.models": "odd_all:nothing"},
    }
    install(site, "acme-odd", entries, modules)

    answer = {f"{seen.kind} {seen.name}": seen.fault for seen in plugins_seen()}

    assert {
        key: words in answer[key]
        for key, words in {
            "schema acme.odd@1": "derives from wfe_mcp.artifacts.models.base.Artifact",
            "gate acme.odd": "must be a function",
            "template acme_odd": "the path of a folder",
            "template acme_none": "AttributeError",
            "provider acme.models": "AttributeError",
        }.items()
    } == dict.fromkeys(answer, True)


def test_a_broken_template_of_a_package_hides_no_other(scene: Scene, site: Path) -> None:
    install(site, "acme-odd", {"wfe_mcp.templates": {"acme_odd": "odd_templates:nothing"}}, {"odd_templates.py": ""})

    names = [each["name"] for each in reading.list_templates(scene.engine, AGENT).data["templates"]]
    no = refused(answers.start_run, scene.engine, HUMAN, "acme_odd", {})

    assert "quick_fix" in names
    assert "acme_odd" not in names
    assert (no.code, "acme-odd 1.0" in no.message) == ("unavailable", True)


def test_doctor_and_the_list_of_templates_name_what_packages_bring(tmp_path: Path) -> None:
    """In a process of its own, as a person starts it."""
    site = install_sample(tmp_path, tmp_path / "site")
    install(site, "acme-shadow", {"wfe_mcp.gates": {"command": "loud:x", "acme.gone": "gone:x"}}, {})
    project = tmp_path / "project"
    project.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]),
        "HOME": str(tmp_path),
        "WFE_DATABASE_URL": f"sqlite:///{tmp_path / 'wfe.db'}",
    }

    def answer_to(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "wfe_mcp", "--json", *words],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return json.loads(done.stdout)["data"]

    levels = {each["topic"]: each["level"] for each in answer_to("doctor")["findings"]}
    listed = {each["name"]: each.get("source") for each in answer_to("templates", "list")["templates"]}

    brought = {
        "schema acme.ticket@1",
        "gate acme.no_todo",
        "action acme.slug",
        "provider acme.models",
        "template acme_ticket",
    }
    assert {topic: levels[topic] for topic in brought} == dict.fromkeys(brought, "ok")
    assert (levels["gate acme.gone"], levels["package"]) == ("problem", "problem")
    assert listed["acme_ticket"] == "package acme-wfe 1.0.0"
