"""A run records how its gates differ from its template's, and where each difference comes from."""

from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates import trust
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"
SKIP = '[templates.drill.phases.plan]\napprover = "skip"\n'


def own(text: str) -> Path:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_run_as_its_template_records_that_nothing_differs(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    assert scene.state(run).gates == ()


def test_a_deployment_without_its_environment_is_left_out_with_its_gates_and_nothing_is_weakened(scene: Scene) -> None:
    steps = [{"id": "out", "builtin": "deploy"}]
    live = {"id": "live", "kind": "steps", "prompt_gates": [approval()], "steps": steps}
    run = scene.start(phase("plan", approval()), live)
    assert [each.path for each in scene.state(run).spec.phases] == ["plan"]
    assert scene.state(run).gates == ()


def test_a_run_records_each_difference_with_the_file_its_bytes_and_the_key(scene: Scene) -> None:
    scene.write(CONFIG, SKIP)
    scene.trust_config()
    run = scene.start(phase("plan", approval()))
    with scene.store.read() as tx:
        (found,) = find_weakened_gates(scene.engine.load(tx, run))
    assert (found.phase, found.gate, found.was, found.now) == ("plan", "approval", "human", "none")
    assert (found.key, found.source) == ("templates.drill.phases.plan.approver", str(scene.root / CONFIG))
    assert found.sha256 == scene.engine.settings().project_sha256


def test_a_list_of_runs_counts_the_weakened_gates_of_each_and_leaves_out_stricter_ones(scene: Scene) -> None:
    plain = scene.start(phase("plan", approval()), phase("build"))
    scene.write(
        CONFIG, f'{SKIP}[templates.drill.phases.build]\napprover = "human"\n[artifacts]\non_mismatch = "warn"\n'
    )
    scene.trust_config()
    weak = scene.start(phase("plan", approval()), phase("build"))
    with scene.store.read() as tx:
        runs = [each.id for each in tx.runs.page(scene.engine.project_id).runs]
        assert tx.runs.weakened_gates(runs) == {weak: 2}
        assert set(runs) == {plain, weak}
    rows = {each["run"]: each.get("weakened_gates") for each in answers.status(scene.engine, AGENT).data["runs"]}
    assert rows == {plain: None, weak: 2}


def test_a_stricter_gate_is_recorded_but_is_not_weakened(scene: Scene) -> None:
    scene.write(CONFIG, '[templates.drill.phases.plan]\napprover = "human"\n')
    scene.trust_config()
    run = scene.start(phase("plan"))
    gates = scene.state(run).gates
    assert gates is not None
    assert [(one.gate, one.weakens) for one in gates] == [("approval", False)]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.attack("your own configuration, or one that XDG_CONFIG_HOME names, removes a gate", "held", "design §7")
def test_a_gate_that_untrusted_user_configuration_removes_stays(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    if variable:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    own(SKIP + '[artifacts]\non_mismatch = "warn"\n')
    run = scene.start(phase("plan", approval()))
    assert [gate.kind for gate in scene.state(run).spec.phases[0].gates] == ["approval"]
    assert scene.state(run).gates == ()
    assert scene.engine.settings().unsigned == ("templates.drill.phases.plan.approver", "artifacts.on_mismatch")
    trust.give_trust(scene.engine, HUMAN, [])
    loose = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    assert {one.gate for one in find_weakened_gates(loose)} == {"approval", "artifact"}, (
        "what is tried must be something that counts"
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.attack(
    "your own configuration, or one that XDG_CONFIG_HOME names, has a trusted check run in another folder", "held", "T4"
)
def test_untrusted_user_configuration_adds_no_key_to_a_check_of_the_project(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    scene.write("easy/good.txt", "good")
    scene.check("unit", "import os; raise SystemExit(not os.path.exists('good.txt'))")
    if variable:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    own('[checks.unit]\ncwd = "easy"\n')
    run = scene.start(phase("plan", command("unit")))
    scene.do(run, "plan")
    assert scene.attempt(run, "plan").number == 2, "the first did not pass"
    assert scene.engine.settings().unsigned == ("checks.unit.cwd",)
    trust.give_trust(scene.engine, HUMAN, [])
    assert scene.engine.settings().settings.checks["unit"].cwd == "easy", "what is tried must be something that counts"


STAGED = """[templates.drill.phases.plan]
approver = "human"
[templates.drill.phases.plan.prompt]
approver = "anthropic"
model = "large"
allow_rewrite = true
criteria = "Is it small?"
[templates.drill.phases.plan.response]
approver = "skip"
"""


@pytest.mark.requirement("S0-35")
def test_each_difference_names_the_key_of_its_stage(scene: Scene) -> None:
    scene.write(CONFIG, STAGED)
    scene.trust_config()
    run = scene.start(phase("plan", approval()) | {"prompt_gates": [approval()]})
    found = {one.key.removeprefix("templates.drill.phases.plan."): one.weakens for one in scene.state(run).gates or ()}
    assert found == {"prompt.approver": False, "response.approver": True}
    spec = scene.state(run).spec.phases[0]
    assert ([gate.kind for gate in spec.gates_before], spec.gates) == (["opinion"], ())
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        frozen = tx.documents.load(loaded.record.frozen_sha256)
    assert "large" in [role.get("model") for role in frozen["roles"].values()]


@pytest.mark.usefixtures("home")
@pytest.mark.attack("your own configuration weakens one stage of a phase", "held", "design §7")
def test_what_weakens_one_stage_counts_from_trusted_bytes_only(scene: Scene) -> None:
    own(STAGED)
    run = scene.start(phase("plan", approval()) | {"prompt_gates": [approval()]})
    spec = scene.state(run).spec.phases[0]
    assert [gate.kind for gate in (*spec.gates_before, *spec.gates)] == ["approval", "approval"]
    assert scene.engine.settings().unsigned == (
        "templates.drill.phases.plan.prompt.approver",
        "templates.drill.phases.plan.prompt.allow_rewrite",
        "templates.drill.phases.plan.prompt.criteria",
        "templates.drill.phases.plan.prompt.model",
        "templates.drill.phases.plan.response.approver",
    )


@pytest.mark.parametrize("approver", ["", 'approver = "human"\n'])
def test_a_model_without_a_reviewer_is_refused(scene: Scene, approver: str) -> None:
    scene.write(CONFIG, f'[templates.drill.phases.plan.prompt]\nmodel = "large"\n{approver}')
    scene.trust_config()
    scene.define(phase("plan"))
    no = refused(start_run, scene.engine, AGENT, "drill", {"goal": "x"})
    assert (no.code, no.details[0].path) == ("invalid_template", "/templates/drill/phases/plan/prompt/model")


def test_changed_criteria_of_a_reviewer_are_recorded(scene: Scene) -> None:
    scene.write(CONFIG, '[templates.drill.phases.plan.response]\ncriteria = "Is it small?"\nallow_rewrite = true\n')
    scene.trust_config()
    gate = {"kind": "opinion", "reviewers": ["one"], "if_missing": "note"}
    run = scene.start(phase("plan", gate), roles={"one": {"provider": "anthropic"}})
    found = [(one.key.rpartition(".response.")[2], one.weakens, one.now) for one in scene.state(run).gates or ()]
    assert found == [("allow_rewrite", True, "True"), ("criteria", True, "Is it small?")]
