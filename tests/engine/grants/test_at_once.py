"""Several processes of a team use a grant, and cancel runs of its template, at the same time."""

import threading
from collections.abc import Callable

from tests.engine.approvals.people import ada
from tests.engine.grants.test_grants import ask, begin, differences, give
from tests.engine.scene import AGENT, Scene, approval, phase
from tests.postgres import Cluster
from tests.store.postgres.test_waiting import WAITING
from wfe_mcp.views.answers import tool_answers as answers

_INDEX = "SELECT pg_advisory_lock(hashtextextended('wfe/find', 0))"
"""Each transaction that changes a run has it last, before its commit."""


def test_of_a_cancelled_run_and_a_use_of_the_grant_at_the_same_time_the_record_holds_what_verify_accepts(
    shared: Scene, postgres: Cluster, postgres_url: str
) -> None:
    shared.human = ada(shared)
    shared.define(phase("plan", approval()))
    give(shared, shared.human, "${attempt < 9}")
    cancelled, approved = begin(shared), begin(shared)
    actions: tuple[Callable[[], object], ...] = (
        lambda: answers.control_run(shared.process(), AGENT, cancelled, "cancel"),
        lambda: ask(shared, approved),
    )
    threads = [threading.Thread(target=action) for action in actions]
    with postgres.connect(postgres_url.rpartition("/")[2]) as connection, postgres.connect() as looking:
        connection.execute(_INDEX)
        for number, thread in enumerate(threads, start=1):
            shared.clock.advance(seconds=1)
            thread.start()
            while thread.is_alive() and looking.execute(WAITING).fetchone()[0] < number:
                pass
    for thread in threads:
        thread.join(30)
    assert differences(shared) == []
