"""The server finds its project without a model, and is registered while it runs."""

import subprocess
import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import INTERNAL_ERROR, ErrorData, ListRootsResult, Root
from pydantic import FileUrl

from tests.server.conftest import House, call, drill
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.workspace.system.process import this_process


class Folders:
    """A client that has folders open, and counts who asks for them."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.asked = 0

    async def __call__(self, context: ClientRequestContext) -> ListRootsResult | ErrorData:
        self.asked += 1
        if not self.folders:
            return ErrorData(code=INTERNAL_ERROR, message="no")
        return ListRootsResult(roots=[Root(uri=FileUrl(folder.as_uri())) for folder in self.folders])


async def served_root(place: ProjectSession, era: str, folders: Folders | None) -> Path:
    """The project in which the server answers after one call."""
    async with Client(WfeServer(place), mode=era, list_roots_callback=folders) as agent:
        assert (answer := await call(agent, "list_templates"))["ok"], answer
        await call(agent, "status")
        return (await place.engine()).root


async def test_the_folder_of_the_client_is_the_project(house: House, era: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folders = Folders(house.root)

    root = await served_root(ProjectSession(None, house.environment, elsewhere), era, folders)

    assert root == house.root.resolve()
    assert folders.asked == 1


async def test_a_client_that_cannot_name_its_folder_is_served_where_it_started_us(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert (
        await served_root(ProjectSession(None, house.environment, elsewhere), "legacy", Folders())
        == elsewhere.resolve()
    )


async def test_no_one_is_asked_where_a_person_has_named_the_project(house: House, era: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    folders = Folders(other)

    by_flag = await served_root(ProjectSession(str(house.root), house.environment, other), era, folders)
    by_name = await served_root(
        ProjectSession(None, house.environment | {"WFE_PROJECT": str(house.root)}, other), era, folders
    )

    assert by_flag == by_name == house.root.resolve()
    assert folders.asked == 0


async def test_without_folders_the_repository_around_us_is_the_project(house: House, era: str) -> None:
    deep = house.root / "a" / "b"
    deep.mkdir(parents=True)

    assert await served_root(ProjectSession(None, house.environment, deep), era, None) == house.root.resolve()


async def test_a_named_folder_that_is_not_there_is_reported_by_every_call_until_it_is(
    house: House, era: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    async with Client(WfeServer(ProjectSession(str(missing), house.environment, tmp_path)), mode=era) as agent:
        first = await call(agent, "status")
        missing.mkdir()
        second = await call(agent, "status")

    assert first["error"]["code"] == "bad_argument"
    assert str(missing) in first["error"]["message"]
    assert second["ok"], second


async def test_a_server_is_registered_while_it_works_and_forgotten_when_it_ends(house: House) -> None:
    me = this_process()
    place = ProjectSession(str(house.root), house.environment, house.root)
    await place.start()
    await place.start()
    engine = await place.engine()
    with engine.store.read() as tx:
        found = tx.processes.on_host(me.host)
    await place.close()
    after = house.engine()
    with after.store.read() as tx:
        left = tx.processes.on_host(me.host)
    after.close()

    assert [(each.kind, each.pid, each.project_id is not None) for each in found] == [("serve", me.pid, True)]
    assert left == []


async def test_a_server_that_ends_while_it_starts_leaves_no_worker_and_no_open_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wfe_mcp.engine.background import daemon

    waits, goes_on, before = threading.Event(), threading.Event(), {*threading.enumerate()}
    tend = daemon.tend_open_runs

    def slowly(engine: Engine) -> None:
        waits.set()
        goes_on.wait(60)
        tend(engine)

    monkeypatch.setattr(daemon, "tend_open_runs", slowly)
    place = ProjectSession(str(house.root), house.environment, house.root)
    engine = await place.engine()
    async with anyio.create_task_group() as group:
        group.start_soon(place.start)
        with anyio.fail_after(60):
            await to_thread.run_sync(waits.wait)
        group.start_soon(place.close)
        with anyio.move_on_after(0.2):
            await anyio.sleep_forever()
        goes_on.set()

    assert engine.workers and not any(each.name.startswith("wfe-") for each in {*threading.enumerate()} - before)
    assert engine._store is None  # pyright: ignore[reportPrivateUsage] - to ask for it would open it


async def test_a_worker_that_cannot_start_is_logged_and_tried_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    place = ProjectSession(str(house.root / "missing"), house.environment, house.root)
    await place.start()
    with pytest.raises(Refused):
        await place.engine()
    (house.root / "missing").mkdir()
    await place.start()

    assert "did not start" in caplog.text
    assert place.is_started
    await place.close()


async def test_a_gate_that_lost_its_server_is_judged_by_the_next_one(house: House) -> None:
    async with house.client("auto") as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="checked")
    engine = house.engine()
    left = submit(engine, By(), run, "checked", artifact={"title": "Left behind"})
    engine.close()

    async with house.client("auto") as agent:
        with anyio.fail_after(120):
            while (found := await call(agent, "status", run=run, wait_s=1, detail="full")) and any(
                each["phase"] == "checked" and each["state"] == "gating" for each in found["data"]["phases"]
            ):
                pass

    assert left.revision == 1
    assert {each["phase"]: each["state"] for each in found["data"]["phases"]}["checked"] == "completed"


def test_a_folder_below_a_repository_needs_no_question(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--template=", str(tmp_path)], check=True)
    (tmp_path / "deep").mkdir()

    assert ProjectSession(None, {}, tmp_path / "deep").is_settled
