"""J6: at every kind of stop, the ways on that are offered are exactly the legal ones, and each of them works."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands.test_opinion import GATE, KEY, fill_roles, opinion
from tests.cli.kept_scenes import scene
from tests.cli.scene import CHECK, HUMAN, PIN, phase, template
from tests.engine.scene import Neighbour
from tests.fake_models.server import ModelServer
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.scene import Said, Terminal
    from wfe_mcp.engine.kernel.engine import Engine

AGENT = By("agent", Channel.MCP, Assurance.AGENT)
STOP = [{"do": "wait_human"}]
FALSE = {"kind": "expr", "assert": "${1 > 2}"}


@scene
def begun(cli: Terminal, *phases: dict[str, Any], **more: Any) -> str:
    """A run whose first phase is done; ``work`` comes next."""
    cli.save(template("stops", phase("draft"), *phases, phase("last"), **more))
    run = cli.start("stops")
    assert cli.submit_work(run, "draft").code == 0
    return run


def failed_attempt(cli: Terminal) -> str:
    run = begun(cli, phase("work", on_fail=STOP), limits={"max_invalid": 1})
    (cli.root / "bad.json").write_text('{"text": 1}')
    cli("submit", run, "work", "--path", "bad.json")
    return run


def used_up_retries(cli: Terminal) -> str:
    run = begun(cli, phase("work", FALSE, on_fail=[{"do": "retry", "max_attempts": 2}, *STOP]))
    for _ in range(2):
        cli.submit_work(run, "work")
    return run


def failed_check(cli: Terminal) -> str:
    run = begun(cli, phase("work", CHECK, on_fail=STOP))
    cli.submit_work(run, "work")
    return run


def failed_steps(cli: Terminal) -> str:
    step = {"id": "go", "check": "test"}
    run = begun(cli, {"id": "work", "kind": "steps", "steps": [step], "on_fail": STOP})
    cli("watch", run)
    return run


def failed_opinion(cli: Terminal) -> str:
    run = begun(cli, phase("work", GATE, on_fail=STOP), roles={"one": {"provider": "first"}})
    cli.submit_work(run, "work")
    cli("watch", run)
    return run


def rejected_approval(cli: Terminal) -> str:
    run = begun(cli, phase("work", HUMAN, on_fail=STOP))
    cli.submit_work(run, "work")
    assert cli("reject", run, "work", "--feedback", "no", pin=PIN).code == 0
    return run


def rejected_prompt(cli: Terminal) -> str:
    run = begun(cli, phase("work", prompt_gates=[HUMAN], on_fail=STOP))
    assert cli("reject", run, "work", "--feedback", "no", pin=PIN).code == 0
    return run


def timed_out(cli: Terminal) -> str:
    run = begun(cli, phase("work", timeout="1m", on_fail=STOP))
    agent(cli, run, start_phase)
    cli.clock.forward(minutes=2)
    cli("watch", run)
    return run


def interrupted(cli: Terminal) -> str:
    """The agent's process is gone in the middle of the work."""
    run = begun(cli, phase("work", on_fail=STOP))
    agent(cli, run, start_phase)
    return run


def agent(cli: Terminal, run: str, call: Callable[[Engine, str], object]) -> Refused | None:
    """How the call of an agent is refused. Its server is a process of its own, which ends after it."""
    with closing(create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)) as first:
        neighbour = Neighbour.begin(first.identity.host)
        options: Any = {"environment": dict(os.environ), "clock": cli.clock, "store": first.store}
        try:
            call(create_engine(project_at(cli.root), holder=neighbour.holder, **options), run)
        except Refused as refused:
            return refused
        finally:
            neighbour.end()
    return None


def start_phase(engine: Engine, run: str) -> object:
    return answers.start_phase(engine, AGENT, run, "work")


def retry_phase(engine: Engine, run: str) -> object:
    return answers.retry_phase(engine, AGENT, run, "work")


ALL = ("retry", "skip", "force-accept", "edit")
STOPS: dict[Callable[[Terminal], str], tuple[str, ...]] = {
    failed_attempt: ALL,
    used_up_retries: ALL,
    failed_check: ALL,
    failed_steps: ("retry", "skip"),
    failed_opinion: ("retry", "skip", "force-accept", "opinion overrule", "edit"),
    rejected_approval: ALL,
    rejected_prompt: ALL,
    timed_out: ("retry", "skip"),
}
"""Each kind of stop, and the ways on from it."""

WAYS: dict[str, tuple[str, ...]] = {
    "retry": ("retry", "--feedback", "again"),
    "skip": ("skip", "--reason", "not needed"),
    "force-accept": ("force-accept", "--reason", "good enough"),
    "opinion overrule": ("opinion", "overrule", "--reason", "it is wrong"),
    "edit": ("edit", "--path", "mine.json"),
    "other model": ("retry", "--role", "second"),
    "rollback": ("rollback",),
}
DONE = {
    "retry": {"ready", "gating", "awaiting", "running"},
    "other model": {"ready", "running", "gating", "awaiting", "completed", "failed"},
    "skip": {"skipped"},
    "force-accept": {"completed", "ready"},
    "opinion overrule": {"completed"},
    "edit": {"gating", "awaiting", "completed", "failed"},
    "rollback": {"pending", "ready", "gating", "awaiting"},
}


def taken(cli: Terminal, run: str, way: str) -> Said:
    """A person takes this way on."""
    (cli.root / "mine.json").write_text(json.dumps({"text": "mine"}))
    words = WAYS[way]
    at = 2 if words[0] == "opinion" else 1
    where = (run, "draft") if way == "rollback" else (run, "work")
    return cli.json(*words[:at], *where, *words[at:], pin=PIN)


@pytest.fixture(scope="module")
def reviewers() -> Iterator[ModelServer]:
    """Models that find fault with everything."""
    with ModelServer(otherwise=opinion("fail"), key=KEY) as server:
        yield server


@pytest.fixture
def reviewed(cli: Terminal, reviewers: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    fill_roles(reviewers)
    return cli


@scene
def stopped(cli: Terminal, stop: Callable[[Terminal], str]) -> str:
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    run = stop(cli)
    assert state(cli, run) == "failed"
    return run


def state(cli: Terminal, run: str) -> str:
    return next(each["state"] for each in cli.json("status", run, "--full").data["phases"] if each["phase"] == "work")


def named(text: str) -> tuple[str, ...]:
    """The commands of a hint: ``wfe-mcp retry 9pxgrcf6mm work (or: skip)``."""
    found = re.search(
        r"wfe-mcp ([a-z -]+?) (?:RUN|[0-9a-z]{10}) work(?: --reason TEXT)?(?: \(or: ([a-z, -]+)\))?", text
    )
    return (found[1], *(found[2] or "").split(", "))[: None if found[2] else 1] if found else ()


@pytest.mark.requirement("S1-03", "S1-08")
@pytest.mark.parametrize(("stop", "ways"), STOPS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_j6_each_stop_offers_exactly_the_ways_that_are_legal_there(
    reviewed: Terminal, stop: Callable[[Terminal], str], ways: tuple[str, ...]
) -> None:
    cli, run = reviewed, stopped(reviewed, stop)
    (blocker,) = cli.json("status", run).data["blockers"]
    assert named(blocker) == ways
    refused = {
        "the agent's retry": getattr(agent(cli, run, retry_phase), "hint", ""),
        "the agent's start": getattr(agent(cli, run, start_phase), "hint", ""),
        "an approval": cli.json("approve", run, "work", pin=PIN).document["error"]["hint"],
    }
    assert {what: named(hint) for what, hint in refused.items()} == dict.fromkeys(refused, ways)
    for way in {"skip", "force-accept", "opinion overrule", "edit"} - set(ways):
        if not (way == "edit" and stop is failed_steps):
            assert taken(cli, run, way).code == 1, way
    assert state(cli, run) == "failed"


@pytest.mark.requirement("S1-03", "S1-08")
@pytest.mark.parametrize(
    ("stop", "way"),
    [
        (stop, way)
        for stop, ways in STOPS.items()
        for way in (*ways, "rollback", *(() if stop is failed_steps else ("other model",)))
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_j6_each_way_that_a_stop_offers_works(reviewed: Terminal, stop: Callable[[Terminal], str], way: str) -> None:
    cli, run = reviewed, stopped(reviewed, stop)
    answer = taken(cli, run, way)
    if not (way == "edit" and stop in {failed_check, used_up_retries, failed_opinion}):  # the gate fails again
        assert answer.code == 0, answer.out
    assert state(cli, run) in DONE[way]
    assert cli("verify", run).code == 0


def test_watch_waits_for_what_is_due_before_it_says_that_the_user_is_needed(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine: the worker of this process has its turn only after watch has looked at the run."""
    start, look, late = Worker.start, Store.data_version, list[Worker]()

    def start_later(worker: Worker) -> None:
        late.append(worker)

    def look_and_start(store: Store) -> int:
        while late:
            start(late.pop())
        return look(store)

    monkeypatch.setattr(Worker, "start", start_later)
    monkeypatch.setattr(Store, "data_version", look_and_start)
    assert state(cli, timed_out(cli)) == "failed"


@pytest.mark.requirement("S1-03")
@pytest.mark.parametrize("way", ["submit", "skip", "rollback"])
def test_j6_work_whose_process_is_gone_continues_without_a_restart(cli: Terminal, way: str) -> None:
    run = interrupted(cli)
    answer = cli.submit_work(run, "work") if way == "submit" else taken(cli, run, way)
    assert answer.code == 0, answer.out
    assert state(cli, run) == {"submit": "completed", "skip": "skipped", "rollback": "pending"}[way]
