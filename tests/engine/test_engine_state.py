"""What a capability remembers between its calls belongs to one engine, and the engine does not know it."""

from tests.engine.scene import Scene
from wfe_mcp.engine.kernel.reactions import composition_of


class Seen(set[str]):
    """A capability's memory."""


def test_what_a_capability_remembers_is_one_for_each_engine(scene: Scene) -> None:
    scene.engine.state_of(Seen).add("a file")

    assert scene.engine.state_of(Seen) == {"a file"}
    assert scene.process("someone").state_of(Seen) == set()


def test_an_empty_memory_is_not_created_again(scene: Scene) -> None:
    before = scene.engine.state_of(Seen)

    assert scene.engine.state_of(Seen) is before


def test_every_engine_of_the_factory_has_the_same_composition(scene: Scene) -> None:
    assert composition_of(scene.process("someone")) is composition_of(scene.engine)


def test_a_watcher_hears_of_commits_and_ends_with_its_engine(scene: Scene) -> None:
    class Watcher:
        def __init__(self) -> None:
            self.heard: list[object] = []

        def note(self, runs: object = (), events: object = (), *, by_human: bool = False) -> None:
            self.heard.append(runs)

        def close(self) -> None:
            self.heard.append("closed")

    watcher, engine = Watcher(), scene.process("someone")
    engine.watchers.append(watcher)
    engine.has_changed(("r1",))
    engine.close()
    engine.close()

    assert watcher.heard == [("r1",), "closed"]
