"""An open run says where ``[delivery]`` was set or removed since it began, to its agent and before the decision."""

from typing import Any

from tests.engine.scene import HUMAN, Scene, approval, phase
from wfe_mcp.engine.runs.control import control
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

DELIVER: dict[str, Any] = {
    "id": "deliver",
    "kind": "steps",
    "steps": [{"id": "commit", "builtin": "git.commit"}],
}


def configure(scene: Scene, mode: str, *, trusted: bool = True) -> None:
    scene.write(".wfe/config.toml", f'[delivery]\nmode = "{mode}"\nremote = ""\n')
    if trusted:
        scene.trust_config()


def started(scene: Scene, *more: dict[str, Any]) -> str:
    run = scene.start(phase("build", approval()), *more)
    scene.do(run, "build")
    return run


def warned(scene: Scene, run: str) -> list[str]:
    return [*scene.status(run).data.get("warnings", ())]


def unusual(scene: Scene, run: str) -> list[str]:
    shown = open_approval(scene.engine, overview_of(scene.engine, run), "build")
    assert shown is not None
    return [one.text for one in shown.unusual]


def test_a_run_that_began_before_delivery_was_set_says_that_it_delivers_nothing(scene: Scene) -> None:
    configure(scene, "none")
    run = started(scene, DELIVER)
    assert warned(scene, run) == []
    configure(scene, "merge")

    (text,) = warned(scene, run)
    assert text.startswith("This run delivers nothing: [delivery] mode was none when it began, and is merge now")
    assert f"wfe-mcp cancel {run}" in text
    assert text in unusual(scene, run)
    control(scene.engine, HUMAN, run, "cancel")
    assert warned(scene, run) == []


def test_a_run_whose_delivery_was_removed_names_the_phase_that_will_deliver_nothing(scene: Scene) -> None:
    configure(scene, "merge")
    run = started(scene, DELIVER)
    assert warned(scene, run) == []
    configure(scene, "none")

    (text,) = warned(scene, run)
    assert text.startswith(
        "deliver will deliver nothing: [delivery] mode was merge when the run began, and is none now"
    )
    assert text in unusual(scene, run)
    configure(scene, "merge")
    assert warned(scene, run) == []


def test_nothing_is_said_of_a_run_that_is_the_same_either_way_nor_before_the_change_is_trusted(scene: Scene) -> None:
    configure(scene, "none")
    plain = scene.start(phase("build", approval()), name="plain")
    run = started(scene, DELIVER)
    configure(scene, "merge", trusted=False)
    assert warned(scene, run) == []
    scene.trust_config()
    assert (warned(scene, plain), len(warned(scene, run))) == ([], 1)
