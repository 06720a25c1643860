"""Several processes of a team give grants, use them, and cancel runs of their template, at the same time."""

import threading
from collections.abc import Callable

from tests.engine.approvals.people import ada
from tests.engine.grants.test_grants import ask, begin, differences, give
from tests.engine.scene import AGENT, Scene, approval, phase
from tests.postgres import Cluster
from tests.store.postgres.test_waiting import WAITING
from wfe_mcp.engine.grants.grants import grants_of, uses_of
from wfe_mcp.views.answers import tool_answers as answers


def at_once(scene: Scene, postgres: Cluster, url: str, *actions: Callable[[], object], held: str = "wfe/find") -> None:
    """Each of ``actions`` begins before those before it have committed.

    ``held``: the lock that each of them waits for. A transaction that changes a run has the one of the index last, before its commit.
    """
    threads = [threading.Thread(target=action) for action in actions]
    with postgres.connect(url.rpartition("/")[2]) as connection, postgres.connect() as looking:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [held])
        for number, thread in enumerate(threads, start=1):
            scene.clock.advance(seconds=1)
            thread.start()
            while thread.is_alive() and looking.execute(WAITING).fetchone()[0] < number:
                pass
    for thread in threads:
        thread.join(30)


def test_of_a_cancelled_run_and_a_use_of_the_grant_at_the_same_time_the_record_holds_what_verify_accepts(
    shared: Scene, postgres: Cluster, postgres_url: str
) -> None:
    shared.human = ada(shared)
    shared.define(phase("plan", approval()))
    give(shared, shared.human, "${attempt < 9}")
    cancelled, approved = begin(shared), begin(shared)
    at_once(
        shared,
        postgres,
        postgres_url,
        lambda: answers.control_run(shared.process(), AGENT, cancelled, "cancel"),
        lambda: ask(shared, approved),
    )
    assert differences(shared) == []


def test_the_last_use_of_a_grant_is_taken_once_where_two_agents_ask_at_the_same_time(
    shared: Scene, postgres: Cluster, postgres_url: str
) -> None:
    shared.human = ada(shared)
    shared.define(phase("plan", approval()))
    give(shared, shared.human, uses=1)
    runs = begin(shared), begin(shared)
    at_once(shared, postgres, postgres_url, *(lambda run=run: ask(shared, run) for run in runs))
    assert sorted(shared.attempt(run, "plan").status for run in runs) == ["awaiting", "completed"]
    with shared.store.read() as tx:
        assert len(uses_of(tx, shared.engine.project_id, "g-1")) == 1
    assert differences(shared) == []


def test_grants_that_are_given_at_the_same_time_are_both_kept(
    shared: Scene, postgres: Cluster, postgres_url: str
) -> None:
    shared.human = person = ada(shared)
    shared.define(phase("plan", approval()))
    gifts = [lambda uses=uses: give(shared, person, uses=uses) for uses in (1, 2)]
    at_once(shared, postgres, postgres_url, *gifts, held="wfe/settings")
    with shared.store.read() as tx:
        kept = grants_of(tx, shared.engine.project_id)
    assert ([grant.id for grant in kept], {grant.uses for grant in kept}) == (["g-1", "g-2"], {1, 2})
    assert differences(shared) == []
