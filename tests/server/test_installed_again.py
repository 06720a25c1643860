"""A server whose program is installed again while it runs: a call that does not load any more says so, and no work is lost."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

import wfe_mcp
from tests.jobs.conftest import until
from tests.server.conftest import House, call, drill, submitted
from wfe_mcp.core.model import RunId
from wfe_mcp.store.records.jobs import JobRecord, JobStatus

OF_ANOTHER_VERSION = "raise ImportError('a name that came with this version')\n"


@pytest.fixture
def installed(house: House, tmp_path: Path, real_processes: None) -> Path:
    """A copy of the package, which the servers of the house run."""
    del real_processes
    package = tmp_path / "site" / "wfe_mcp"
    shutil.copytree(Path(wfe_mcp.__file__).parent, package)
    house.environment["PYTHONPATH"] = str(package.parent)
    return package


def parameters(house: House) -> StdioServerParameters:
    command, *arguments = house.command
    return StdioServerParameters(
        command=command, args=[*arguments, "--project", str(house.root)], env=house.environment, cwd=house.root
    )


def job_of(house: House, run: str) -> JobRecord:
    with house.engine().store.read() as tx:
        (job,) = tx.jobs.filter(RunId(run))
    return job


async def test_a_call_that_does_not_load_any_more_says_to_restart_the_client(house: House, installed: Path) -> None:
    async with Client(parameters(house), mode="auto") as agent:
        run = await drill(agent)
        (installed / "views" / "answers" / "rollback.py").write_text(OF_ANOTHER_VERSION)
        answer = await call(agent, "rollback", run=run, to="cp-1")
        after = await call(agent, "status", run=run)
    assert after["ok"], after
    assert (answer["error"]["code"], answer["run_state"]) == ("unavailable", "running")
    assert "This program was installed again while it ran" in answer["error"]["message"]
    assert "Restart the client" in answer["error"]["hint"]


async def test_a_check_that_does_not_load_any_more_is_left_to_the_new_version(house: House, installed: Path) -> None:
    async with Client(parameters(house), mode="auto") as agent:
        run = await drill(agent)
        (installed / "gates" / "execute.py").write_text(OF_ANOTHER_VERSION)
        answer = await submitted(agent, run, "checked")
    assert answer["state"] == "gating"
    job = job_of(house, run)
    assert job.status is JobStatus.QUEUED
    assert job.run_at - datetime.now(UTC) > timedelta(minutes=4), "no try of the old program counts for it"


async def test_the_first_server_of_the_new_version_takes_what_the_old_one_left_beside_it(
    house: House, installed: Path
) -> None:
    module = installed / "gates" / "execute.py"
    of_new_version = module.read_text()
    async with Client(parameters(house), mode="auto") as old:
        run = await drill(old)
        module.write_text(OF_ANOTHER_VERSION)
        assert (await submitted(old, run, "checked"))["state"] == "gating"
        module.write_text(of_new_version)
        async with Client(parameters(house), mode="auto"):
            until(lambda: job_of(house, run).status is JobStatus.DONE, every_s=0.2)
        assert (await call(old, "start_phase", run=run, phase="checked"))["state"] == "completed"
