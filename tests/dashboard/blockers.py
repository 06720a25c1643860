"""A run whose phase failed, with the blocker that its recovery reported."""

from tests.engine.scene import Scene, expr, phase

GIVEN = {"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}}
FOUND = {
    "class": "failed_checks",
    "fingerprint": "failed_checks:code",
    "human_required": False,
    "cause": "The list is read backwards",
    "evidence": ["test_order: [2, 1]"],
    "next_step": "Read it forwards",
}


def blocked(scene: Scene) -> str:
    """The run; its phase is ``code``."""
    diagnose = {"id": "diagnose", "output": {"artifact": "diagnosis", "schema": "blocker@1"}}
    scene.define(diagnose, phase("fix"), name="recovery", schema=GIVEN)
    rule = {"do": "subflow", "template": "recovery", "with": {"why": "red"}}
    good = expr("${artifacts.code_note.title == 'good'}")
    run = scene.start(phase("code", good, on_fail=[rule, {"do": "wait_human"}]), phase("end"))
    scene.do(run, "code", {"title": "bad"})
    scene.do(run, "code[recovery-1].diagnose", FOUND)
    return run
