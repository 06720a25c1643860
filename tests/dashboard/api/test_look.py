"""The operation with which the page says that a person looks; a program's look is none of theirs."""

from tests.dashboard.api.client import Program
from tests.engine.scene import Scene, phase
from wfe_mcp.engine.people.looks import FILE


def test_a_program_cannot_look_in_place_of_the_person(program: Program, scene: Scene) -> None:
    scene.start(phase("plan"))
    for looks in (True, False):
        refused = program.post("/look", looks=looks)
        assert (refused.status, refused.code) == (403, "forbidden")
    assert not (scene.store.path.parent / FILE).exists()
