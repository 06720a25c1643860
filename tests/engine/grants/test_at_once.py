"""Several processes of a team use a grant, and cancel runs of its template, at the same time."""

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.approvals.people import ada
from tests.engine.grants.test_grants import ask, begin, differences, give
from tests.engine.scene import AGENT, Clock, Scene, approval, environment, phase
from tests.postgres import Cluster
from wfe_mcp.store import Store
from wfe_mcp.views.answers import tool_answers as answers

_INDEX = "SELECT pg_advisory_lock(hashtextextended('wfe/find', 0))"
"""Each transaction that changes a run has it last, before its commit."""
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
def shared(blank: Path, tmp_path: Path, postgres_url: str) -> Iterator[Scene]:
    shutil.copytree(blank, tmp_path, dirs_exist_ok=True)
    clock = Clock()
    with contextlib.closing(
        Scene(tmp_path / "project", Store.open(postgres_url, clock=clock), clock, environment(tmp_path))
    ) as scene:
        yield scene


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
            while thread.is_alive() and looking.execute(_WAITING).fetchone()[0] < number:
                pass
    for thread in threads:
        thread.join(30)
    assert differences(shared) == []
