"""Exactly one page starts when a decision needs a person, and none where it is switched off."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.dashboard.browser import PIN, WAIT_S, WRONG, Browser
from tests.dashboard.soft_key import Signer, SoftKey
from tests.engine.scene import HUMAN
from tests.jobs.conftest import until
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decision_page as pages, pin
from wfe_mcp.engine.approvals.decision_page import living_page, page_for
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.integrity.proof_verification import verify_approvals
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era, StdioClient
from wfe_mcp.views.approvals.approvers import approvers_path
from wfe_mcp.workspace.system.anchors import commits_of
from wfe_mcp.workspace.system.location import project_at

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
LETTER = {
    "format": "wfe/1",
    "name": "letter",
    "version": "1.0.0",
    "title": "A letter",
    "phases": [
        {
            "id": "draft",
            "prompt": "Write it.",
            "output": {"artifact": "letter", "schema": TEXT},
            "gates": [{"kind": "approval"}],
        }
    ],
}

DEAL = LETTER | {
    "name": "deal",
    "phases": [
        {
            "id": "draft",
            "prompt": "Write it.",
            "output": {"artifact": "letter", "schema": TEXT},
            "gates": [{"kind": "approval", "assurance": "passkey"}],
        }
    ],
}


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with open_playground(tmp_path) as made:
        yield made


@contextlib.contextmanager
def open_playground(place: Path) -> Generator[Playground]:
    """A project of a person with a PIN; the pages that were started for it are ended."""
    folder = place / "templates" / "letter"
    folder.mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(LETTER), encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    with (
        pytest.MonkeyPatch.context() as patch,
        Playground(place, templates=[folder], environment=kept) as made,
    ):
        patch.setattr(pages, "START_WAIT_S", WAIT_S)
        pin.set_pin(made.engine, PIN, HUMAN)
        try:
            yield made
        finally:
            for process in started(made):
                with contextlib.suppress(psutil.NoSuchProcess):  # the second one leaves by itself
                    process.kill()
            wait_until(lambda: not started(made), every_s=0.01)


def started(playground: Playground) -> list[psutil.Process]:
    """Every page that was started for this project, also one that came second and is about to leave.

    A page is no one's child once its server has left, and the first process may collect what ended seconds later. What has
    ended shows no command line.
    """
    own = {"ui", str(playground.root)}
    return [found for found in psutil.process_iter(["cmdline"]) if own <= set(found.info["cmdline"] or ())]


def registered(playground: Playground) -> list[ProcessRecord]:
    with playground.engine.store.read() as tx:
        rows = tx.processes.on_host(playground.engine.identity.host)
    return [row for row in rows if row.kind.startswith("ui")]


def waiting(agent: StdioClient) -> str:
    run: str = agent.call("start_run", template="letter")["run"]
    agent.call("start_phase", run=run)
    agent.call("submit_artifact", run=run, phase="draft", artifact={"text": "Dear Ada"})
    return run


def sent_to_page(agent: StdioClient, run: str) -> dict[str, Any]:
    """The answer to ``approve`` once it has the page's address: where everything is slow, not the first time."""
    for _ in range(15):
        answer = agent.call("approve", run=run, phase="draft")
        if "url" in answer["data"]:
            return answer
    raise AssertionError("the page never came")


def port_of(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


@ERAS
def test_the_page_is_there_when_an_agent_needs_a_person(playground: Playground, era: Era) -> None:
    seen: list[str] = []

    def open_page(message: str, url: str) -> bool:
        seen.append(url)
        return True

    with playground.server(era, open_page=open_page) as agent:
        run = waiting(agent)
        assert registered(playground) == [], "nobody was asked yet"
        answer = sent_to_page(agent, run)
        assert answer["error"]["code"] == "needs_human"
        assert answer["data"]["url"] == seen[0]
        browser, request = Browser(port_of(seen[0])), answer["data"]["request"]
        assert "it takes no PIN" in browser.get(f"/decide/{request}").words
        waits = agent.begin("status", run=run, wait_s=45)
        own = pages.page_at(playground.engine, f"decide/{request}", opened=True)
        assert own is not None
        # Another test may have had the fixed port when the page began, and have left it since.
        fixed = pages.address(pages.PORT, f"open/decide/{request}")
        assert agent.call("approve", run=run, phase="draft")["data"]["url"] in {seen[0], fixed}
        for path in (f"/open/decide/{request}", f"/decide/{request}", "/"):
            there = f"http://localhost:{port_of(own)}{path}"
            assert browser.get(path).headers["location"] == there, "the address leads to the person's own page"
        assert Browser(port_of(own)).approve(request, WRONG).status == 403
        assert "Approved by" in Browser(port_of(own)).approve(request).words
        assert waits.wait()["run_state"] == "completed"
        if era == HANDSHAKE:
            method, result = agent.heard.get(timeout=WAIT_S)
            while method != "notifications/elicitation/complete":
                method, result = agent.heard.get(timeout=WAIT_S)
            assert result["elicitationId"] == request


def test_an_agent_that_needs_a_passkey_leads_to_the_page_and_hears_of_the_signature(playground: Playground) -> None:
    playground.write({".wfe/templates/deal.json": json.dumps(DEAL)})
    playground.trust()
    key = SoftKey("laptop")
    with playground.server() as agent:
        run: str = agent.call("start_run", template="deal")["run"]
        agent.call("start_phase", run=run)
        agent.call("submit_artifact", run=run, phase="draft", artifact={"text": "Dear Ada"})
        answer = sent_to_page(agent, run)
        assert (answer["error"]["code"], answer["data"]["assurance"]) == ("needs_human", "passkey")
        assert "sign with a passkey" in answer["error"]["hint"]
        with serve_page(playground.engine, 0) as own:
            assert isinstance(own, Page)
            assert Signer(Browser(own.port), "/" + approvers_path(playground.engine)).pin(key).status == 200
        person = Signer(Browser(port_of(answer["data"]["url"])), "/" + approvers_path(playground.engine))
        assert person.browser.send_pin(answer["data"]["request"]).status == 403
        waits = agent.begin("status", run=run, wait_s=45)
        assert "Approved by laptop" in person.decide(key, answer["data"]["request"]).words
        assert waits.wait()["run_state"] == "completed"
    assert [one.key.name for one in verify_approvals(playground.root).approvals] == ["laptop"]


def test_two_servers_that_need_it_at_once_share_one_page(playground: Playground) -> None:
    with playground.server() as one, playground.server() as two:
        runs = [waiting(agent) for agent in (one, two)]
        for call in [
            agent.begin("approve", run=run, phase="draft") for agent, run in zip((one, two), runs, strict=True)
        ]:
            call.wait()
        urls = [sent_to_page(agent, run)["data"]["url"] for agent, run in zip((one, two), runs, strict=True)]
    assert len({port_of(url) for url in urls}) == 1
    assert len(registered(playground)) == 1


@dataclass
class Left:
    """A page that a server started, which is gone since, and the request that it is about."""

    browser: Browser
    request: str
    approvers: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    with open_playground(tmp_path_factory.mktemp("left")) as playground:
        with playground.server() as agent:
            answer = sent_to_page(agent, waiting(agent))
            agent.kill()
        approvers = "/" + approvers_path(playground.engine)
        yield Left(Browser(port_of(answer["data"]["url"])), answer["data"]["request"], approvers)


def test_the_page_outlives_the_server_that_started_it(left: Left) -> None:
    assert "Dear Ada" in left.browser.get(f"/decide/{left.request}").words


def test_a_page_that_was_killed_is_started_again_and_nothing_is_lost(playground: Playground) -> None:
    with playground.server() as agent:
        run = waiting(agent)
        request = sent_to_page(agent, run)["data"]["request"]
        (gone,) = registered(playground)
        os.kill(gone.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        wait_until(lambda: living_page(playground.engine) is None)
        answer = sent_to_page(agent, run)
        assert answer["data"]["request"] == request
        assert Browser(port_of(answer["data"]["url"])).get(f"/decide/{request}").status == 200


def test_a_database_that_is_named_from_where_the_server_stands_is_the_pages_too(playground: Playground) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", "serve"]
    relative = playground.environment | {"WFE_DATABASE_URL": "sqlite:///../wfe.db"}
    with StdioClient(argv, cwd=playground.root, env=relative) as agent:
        answer = sent_to_page(agent, waiting(agent))
    assert "Dear Ada" in Browser(port_of(answer["data"]["url"])).get(f"/decide/{answer['data']['request']}").words


def test_a_page_that_a_server_started_has_no_field_for_a_pin(left: Left) -> None:
    for path in ("/", f"/decide/{left.request}", left.approvers):
        found = left.browser.get(path)
        assert 'type="password"' not in found.text
        assert "wfe-mcp ui" in found.words
    assert left.browser.get(f"/edit/{left.request}").status == 403


def test_a_page_that_a_command_of_the_user_started_asks_for_the_pin(playground: Playground) -> None:
    url = pages.page_at(playground.engine, opened=True)
    assert url is not None
    assert 'type="password"' in Browser(port_of(url)).get("/").text
    assert [row.kind for row in registered(playground)] == [pages.PAGE]


@pytest.mark.attack("a decision on the page is taken out before any other process anchored it", "detected", "T11; A2")
def test_a_decision_on_the_page_is_anchored_by_it(playground: Playground) -> None:
    with playground.server() as agent:
        run = waiting(agent)
        request = sent_to_page(agent, run)["data"]["request"]
    url = pages.page_at(playground.engine, opened=True)
    assert url is not None
    assert "Approved by" in Browser(port_of(url)).approve(request).words
    with playground.engine.store.read() as tx:
        tail = tx.events.tails([run])
    wait_until(lambda: any(one.runs == tail for one in commits_of(playground.root) or ()), every_s=0.05)


def test_configuration_may_say_that_no_page_starts(playground: Playground) -> None:
    playground.write({".wfe/config.toml": "[ui]\nauto = false\n"})
    playground.trust()
    with playground.server() as agent:
        answer = agent.call("approve", run=waiting(agent), phase="draft")
    assert "url" not in answer["data"]
    assert "wfe-mcp approve" in answer["error"]["hint"]
    assert registered(playground) == []


def test_without_a_pin_no_page_starts(playground: Playground) -> None:
    with playground.engine.store.tx() as tx:
        tx.secrets.set("pin", None, HUMAN, playground.engine.clock())
    with playground.server() as agent:
        answer = agent.call("approve", run=waiting(agent), phase="draft")
    assert "url" not in answer["data"]
    assert registered(playground) == []


def test_a_page_that_cannot_start_leaves_the_command(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages.sys, "executable", str(playground.root / "no-python"))
    assert page_for(playground.engine, "rq-1", may_start=True) is None


@pytest.mark.attack("a project brings modules of its own to the decision page's process", "held", "T2")
def test_modules_of_the_project_are_not_run_by_the_page(playground: Playground) -> None:
    answer = playground.folder / "said"
    evil = f"import pathlib; pathlib.Path({str(answer)!r}).touch()\n"
    playground.write({"typer.py": evil, "wfe_mcp/__init__.py": evil, "wfe_mcp/__main__.py": evil, "uvicorn.py": evil})
    (playground.folder / "typer.py").write_text(evil, encoding="utf-8")
    engine = create_engine(project_at(playground.root), environment=playground.environment)
    try:
        assert page_for(engine, "rq-1", may_start=True) is not None
    finally:
        engine.close()
    assert not answer.exists()


def test_many_who_ask_at_once_get_the_same_page(playground: Playground) -> None:
    def ask(_: int) -> pages.DecisionLink | None:
        return page_for(playground.engine, "rq-1", may_start=True)

    with ThreadPoolExecutor(3) as threads:
        found = set(threads.map(ask, range(3)))
    assert len(found) == 1
    assert None not in found
    assert len(registered(playground)) == 1


def wait_until(is_so: Callable[[], bool], every_s: float = 0.1) -> None:
    until(is_so, WAIT_S, every_s)
