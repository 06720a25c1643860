"""Several servers share one database without lost or duplicate runs."""

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from tests.acceptance.scene import BUGGED, PROBLEM, UNITTEST, WHOLE, event_types
from wfe_mcp.core.model import RunId
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, StdioClient

EACH = 200 if WHOLE else 5


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Generator[Playground]:
    with Playground(tmp_path_factory.mktemp("many"), files=BUGGED, checks={"test": UNITTEST}) as made:
        yield made


@pytest.fixture(scope="module")
def eight(playground: Playground) -> Generator[list[StdioClient]]:
    """Eight servers, started together: every second one is spoken to in the older era."""
    with ExitStack() as stack:
        servers = [playground.server(MODERN if number % 2 else HANDSHAKE) for number in range(8)]
        yield [stack.enter_context(server) for server in servers]


@pytest.mark.parametrize("count", [2, 8])
def test_every_run_that_many_servers_start_at_once_is_there_and_none_twice(
    playground: Playground, eight: list[StdioClient], count: int
):
    before = _stored(playground)

    answers = _all_at_once(eight[:count], lambda agent, turn: _start(agent), EACH)

    assert len(set(answers)) == count * EACH
    assert _stored(playground) - before == set(answers)
    assert [problem for run in answers for problem in _problems(playground, run)] == []


def test_the_same_key_from_many_servers_at_once_is_one_run(playground: Playground, eight: list[StdioClient]):
    answers = _all_at_once(eight, lambda agent, turn: _start(agent, idempotency_key=f"key-{turn}"), 3)

    assert len(set(answers)) == 3
    assert all(event_types(playground, run).count("RunStarted") == 1 for run in answers)


def test_one_phase_is_given_to_one_of_many_that_ask_for_it(playground: Playground, eight: list[StdioClient]):
    run = _start(eight[0])

    codes = _all_at_once(eight, lambda agent, turn: _claim(agent, run), 1)

    assert sorted(codes) == ["given", *["leased"] * 7]
    assert _problems(playground, run) == []


def _start(agent: StdioClient, **more: str) -> str:
    return agent.call("start_run", template="quick_fix", inputs=PROBLEM, **more)["run"]


def _claim(agent: StdioClient, run: str) -> str:
    return agent.call("start_phase", run=run, phase="reproduce").get("error", {}).get("code", "given")


def _stored(playground: Playground) -> set[str]:
    with playground.engine.store.read() as tx:
        return {run.id for run in tx.runs.page(playground.engine.project_id, limit=10_000).runs}


def _problems(playground: Playground, run: str) -> list[object]:
    with playground.engine.store.read() as tx:
        return [*tx.verification.problems(RunId(run))]


def _all_at_once(agents: list[StdioClient], call: Callable[[StdioClient, int], str], times: int) -> list[str]:
    """What every agent got, each calling ``times`` times, all beginning together."""
    answers: list[str] = []
    failures: list[BaseException] = []
    together = threading.Barrier(len(agents))

    def work(agent: StdioClient) -> None:
        try:
            agent.call("status")
            together.wait(60)
            answers.extend([call(agent, turn) for turn in range(times)])
        except BaseException as exc:
            failures.append(exc)
            raise

    threads = [threading.Thread(target=work, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    return answers
