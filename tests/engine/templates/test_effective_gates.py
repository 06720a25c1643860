"""A run records how its gates differ from its template's, and where each difference comes from."""

from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates import trust
from wfe_mcp.engine.templates.effective_gates import weakened
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


def test_a_run_records_each_difference_with_the_file_its_bytes_and_the_key(scene: Scene) -> None:
    scene.write(CONFIG, SKIP)
    scene.trust_config()
    run = scene.start(phase("plan", approval()))
    with scene.store.read() as tx:
        (found,) = weakened(scene.engine.load(tx, run))
    assert (found.phase, found.gate, found.was, found.now) == ("plan", "approval", "human", "none")
    assert (found.key, found.source) == ("templates.drill.phases.plan.approver", str(scene.root / CONFIG))
    assert found.sha256 == scene.engine.settings().project_sha256


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
    assert {one.gate for one in weakened(loose)} == {"approval", "artifact"}, (
        "what is tried must be something that counts"
    )
