"""Observers of calls, requests and jobs: they see a name and a code, and without one nothing happens."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from wfe_mcp.core.observing import OBSERVERS, SENDER, Observation, observe


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []

    @contextmanager
    def observer(one: Observation) -> Generator[None]:
        try:
            yield
        finally:
            found.append((one.kind, one.name, one.comes_from, one.code))

    monkeypatch.setattr("wfe_mcp.core.observing.OBSERVERS", [observer])
    return found


def test_an_observer_sees_the_code_that_the_work_ended_with(seen: list[tuple[str, str, str, str]]) -> None:
    with observe("tool", "status"):
        pass
    with observe("tool", "start_run", "00-aa-bb-01") as one:
        one.code = "forbidden"
    assert seen == [("tool", "status", "", "ok"), ("tool", "start_run", "00-aa-bb-01", "forbidden")]


def test_what_raises_ended_with_a_fault_of_ours(seen: list[tuple[str, str, str, str]]) -> None:
    with pytest.raises(RuntimeError), observe("job", "gate"):
        raise RuntimeError
    assert seen == [("job", "gate", "", "internal")]


def test_the_trace_of_the_request_counts_where_none_is_given(seen: list[tuple[str, str, str, str]]) -> None:
    token = SENDER.set("00-cc-dd-01")
    with observe("tool", "status"):
        pass
    SENDER.reset(token)
    assert seen == [("tool", "status", "00-cc-dd-01", "ok")]


def test_no_process_has_an_observer_of_its_own() -> None:
    assert OBSERVERS == []
    with observe("request", "list_runs") as one:
        assert one.code == "ok"
