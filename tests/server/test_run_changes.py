"""A real server notifies its client which runs have changed, in both protocol eras."""

import queue
from collections.abc import Generator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus

from tests.acceptance.scene import BUGGED, PROBLEM, PROOF, SHOWN, UNITTEST
from tests.server.conftest import House, call, drill
from wfe_mcp.core.model import By
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server import run_changes
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.server.resources import SVG
from wfe_mcp.server.run_changes import RunChanges
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era, StdioClient
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at

ERAS = pytest.mark.parametrize("era", [HANDSHAKE, MODERN])
"""A server looks for changes every two seconds: of the two tests about the list, each is played in one era."""
UPDATED, LISTED = "notifications/resources/updated", "notifications/resources/list_changed"
PATIENCE_S = 120


@pytest.fixture
def project(tmp_path: Path) -> Generator[Playground]:
    with Playground(tmp_path, files=BUGGED, checks={"test": UNITTEST}) as made:
        yield made


def begun(project: Playground) -> str:
    """The id of a run that this process, not the server, has started."""
    started = answers.start_run(project.engine, By("ada"), template="quick_fix", inputs=PROBLEM)
    assert started.ok and started.run is not None
    return str(started.run)


def watch(client: StdioClient, *uris: str) -> None:
    """Ask for the list and for these addresses, in the words of the client's era."""
    if client.era == HANDSHAKE:
        for uri in uris:
            client.request("resources/subscribe", {"uri": uri})
        return
    client.ask(
        "subscriptions/listen", {"notifications": {"resourcesListChanged": True, "resourceSubscriptions": [*uris]}}
    )
    assert client.heard.get(timeout=PATIENCE_S)[0] == "notifications/subscriptions/acknowledged"


def reported(client: StdioClient, method: str) -> list[tuple[str, Any]]:
    """Everything that was sent up to the first notification of this kind, as (method, address)."""
    found: list[tuple[str, Any]] = []
    while not found or found[-1][0] != method:
        name, params = client.heard.get(timeout=PATIENCE_S)
        found.append((name, params.get("uri")))
    return found


@ERAS
def test_a_change_by_another_process_is_reported_to_the_subscriber_of_its_run(project: Playground, era: Era) -> None:
    run, other = begun(project), begun(project)
    with project.server(era) as client:
        client.call("status")
        watch(client, f"wfe://runs/{run}", f"wfe://runs/{run}/context", f"wfe://runs/{other}")
        answers.start_phase(project.engine, By("bob"), run)
        found = [uri for method, uri in reported(client, UPDATED) + reported(client, UPDATED) if method == UPDATED]

    assert found == [f"wfe://runs/{run}", f"wfe://runs/{run}/context"]


def test_a_run_that_starts_is_reported_as_a_changed_list_and_is_in_it(project: Playground) -> None:
    with project.server(HANDSHAKE) as client:
        client.call("status")
        watch(client)
        run = begun(project)
        assert reported(client, LISTED)[-1] == (LISTED, None)
        listed = {each["uri"]: each for each in client.request("resources/list")["resources"]}

    assert set(listed) == {"wfe://project", f"wfe://runs/{run}"}
    assert listed[f"wfe://runs/{run}"]["description"] == "Run of quick_fix, running"


def test_what_the_server_itself_changes_is_reported_too(project: Playground) -> None:
    with project.server(MODERN) as client:
        client.call("status")
        watch(client)
        run = client.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        reported(client, LISTED)
        client.call("control_run", run=run, action="cancel", reason="tried")
        reported(client, LISTED)
        listed = [each["uri"] for each in client.request("resources/list")["resources"]]

    assert listed == ["wfe://project"]


def test_after_unsubscribing_an_address_gets_no_more(project: Playground) -> None:
    run = begun(project)
    with project.server(HANDSHAKE) as client:
        client.call("status")
        watch(client, f"wfe://runs/{run}")
        client.request("resources/unsubscribe", {"uri": f"wfe://runs/{run}"})
        answers.start_phase(project.engine, By("bob"), run)
        begun(project)
        found = reported(client, LISTED)

    assert {method for method, _ in found} == {LISTED}


def test_a_stateless_client_that_listens_to_nothing_gets_nothing(project: Playground) -> None:
    with project.server(MODERN) as client:
        run = client.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        client.call("start_phase", run=run)
        client.call("status", run=run)
        with pytest.raises(queue.Empty):
            client.heard.get_nowait()


def test_all_runs_are_read_for_commits_of_other_processes_alone(
    project: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_changes, "LOOK_S", 0.0)
    place = ProjectSession(None, {}, project.root)
    changes, served = (
        RunChanges(place, InMemorySubscriptionBus()),
        create_engine(project_at(project.root), environment=project.environment),
    )
    first = changes.read(served, set())
    with served.store.tx() as tx:
        tx.documents.keep("written by the server")
    own = changes.read(served, set())
    run = begun(project)
    others = changes.read(served, set())
    served.close()

    assert (first, own) == (({}, None), ({}, set()))
    assert (list(others[0]), others[1]) == ([run], None)


@pytest.mark.parametrize("is_remote", [False, True])
async def test_for_a_handshake_client_over_http_no_run_is_read_once_its_request_is_over(
    project: Playground, monkeypatch: pytest.MonkeyPatch, is_remote: bool
) -> None:
    monkeypatch.setattr(run_changes, "LOOK_S", 0.0)
    place = ProjectSession(None, project.environment, project.root)
    place.is_remote = is_remote
    changes, looks = RunChanges(place, InMemorySubscriptionBus()), list[object]()

    async def look(own: object) -> None:
        looks.append(own)

    monkeypatch.setattr(changes, "_look", look)
    changes.meet(cast("ServerSession", SimpleNamespace(protocol_version="2025-11-25")))
    async with anyio.create_task_group() as group:
        group.start_soon(changes.follow)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert bool(looks) is not is_remote


async def test_a_change_by_the_server_itself_reads_that_run_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a call costs the same beside 10,000 open runs: all are read for what other processes change."""
    looks = queue.Queue[set[str] | None]()
    read = RunChanges.read

    def noted(
        changes: RunChanges, engine: Engine, own: set[str] | None
    ) -> tuple[dict[str, tuple[int, str]], set[str] | None]:
        found, names = read(changes, engine, own)
        looks.put(names)
        return found, names

    monkeypatch.setattr(run_changes, "LOOK_S", 600.0)  # after the first look none is due for other processes
    monkeypatch.setattr(RunChanges, "read", noted)
    begun_before = answers.start_run(house.engine(), By("ada"), "drill", inputs={"goal": "try"})
    assert begun_before.ok
    async with house.client("legacy") as agent:
        run = await drill(agent)
        while await anyio.to_thread.run_sync(partial(looks.get, timeout=PATIENCE_S)) is not None:
            pass
        later = list[set[str] | None]()
        await call(agent, "start_phase", run=run, phase="plan")
        while not later or run not in (later[-1] or ()):
            later.append(await anyio.to_thread.run_sync(partial(looks.get, timeout=PATIENCE_S)))

    assert None not in later
    assert later[-1] == {run}, begun_before.run


@ERAS
def test_a_long_call_says_in_a_sentence_what_it_waits_for(project: Playground, era: Era) -> None:
    project.write(SHOWN)
    with project.server(era) as client:
        run = client.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        client.call("start_phase", run=run, phase="reproduce")
        given = {"run": run, "phase": "reproduce", "artifact": PROOF}
        params: dict[str, Any] = {"name": "submit_artifact", "arguments": given, "_meta": {"progressToken": "p1"}}
        client.result(client.ask("tools/call", params))
        while (heard := client.heard.get(timeout=PATIENCE_S))[0] != "notifications/progress":
            pass

    assert heard[1]["progressToken"] == "p1"
    assert heard[1]["message"] == "The gates of 'reproduce' are judging attempt 1."
    assert heard[1]["total"] == 20.0 and 0.0 <= heard[1]["progress"] < 20.0, "seconds"


@ERAS
def test_the_server_and_its_prompts_have_the_icon_of_the_page(project: Playground, era: Era) -> None:
    page = Path(__file__).parents[2] / "wfe_mcp" / "dashboard" / "static" / "icon.svg"
    assert page.read_text(encoding="utf-8").strip() == SVG
    with project.server(era) as client:
        prompts = client.request("prompts/list")["prompts"]

    assert all(each["icons"][0]["src"].startswith("data:image/svg+xml;base64,") for each in prompts)
