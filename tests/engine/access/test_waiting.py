"""What waits for the next request of a browser: anyone may begin a login, without one."""

from tests.engine.scene import Scene
from tests.engine.test_many_phases import counted
from wfe_mcp.engine.access.people import WAITS_S, Waiting


def test_a_login_begins_at_the_same_cost_however_many_have_begun_and_not_ended(scene: Scene) -> None:
    waiting = Waiting(scene.engine)

    def begin() -> None:
        waiting.keep("login", "", {"to": "/app/"})

    begin()
    alone = counted(begin)
    for _ in range(100):
        begin()
    assert counted(begin) < 1.2 * alone


def test_a_login_that_did_not_end_in_time_leaves_nothing(scene: Scene) -> None:
    waiting = Waiting(scene.engine)
    late = waiting.keep("login", "", {"to": "/app/"})
    scene.clock.advance(seconds=WAITS_S)
    name = waiting.keep("login", "", {"to": "/app/"})

    with scene.store.read() as tx:
        assert len(tx.secrets.with_prefix("credential-used:waits:")) == 1
    assert waiting.take("login", "", late) is None
    assert waiting.take("login", "", name) == {"to": "/app/"}
