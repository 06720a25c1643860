"""An agent submits its work with files that show it: pictures, reports, logs."""

import pytest
from mcp import Client

from tests.server.conftest import Connect, House, call

PICTURE = b"\x89PNG\r\n\x1a\n.."


async def begun(agent: Client, house: House) -> str:
    (house.root / "shot.png").write_bytes(PICTURE)
    (house.root / "said.txt").write_text("All green.")
    run = (await call(agent, "start_run", template="drill", inputs={"goal": "shown"}))["run"]
    await call(agent, "start_phase", run=run, phase="signed")
    return run


@pytest.mark.requirement("S4-26")
async def test_files_of_the_project_come_with_the_work_and_are_listed_and_read(connect: Connect, house: House) -> None:
    async with connect() as agent:
        run = await begun(agent, house)
        work = {"run": run, "phase": "signed", "artifact": {"title": "Shown"}, "attach": ["shot.png", "said.txt"]}
        submitted = await call(agent, "submit_artifact", **work)
        again = await call(agent, "submit_artifact", **work)
        listed = await call(agent, "read_artifact", run=run)
        text = await call(agent, "read_artifact", run=run, artifact="attachment:2")
        picture = await call(agent, "read_artifact", run=run, artifact="attachment:1")

    assert (submitted["ok"], again["ok"]) == (True, True)
    assert [(one["artifact"], one["name"]) for one in listed["data"]["attachments"]] == [
        ("attachment:1", "shot.png"),
        ("attachment:2", "said.txt"),
    ]
    assert text["data"]["content"] == "All green."
    assert "content" not in picture["data"]
    assert picture["data"]["command"] == f"wfe-mcp artifact show {run} attachment:1 --save FILE"


@pytest.mark.parametrize(("path", "code"), [("../secret", "path_outside_project"), ("absent.png", "bad_argument")])
async def test_a_file_that_cannot_be_attached_refuses_the_submission(
    connect: Connect, house: House, path: str, code: str
) -> None:
    async with connect() as agent:
        run = await begun(agent, house)
        answer = await call(
            agent, "submit_artifact", run=run, phase="signed", artifact={"title": "Shown"}, attach=[path]
        )
        listed = await call(agent, "read_artifact", run=run)

    assert answer["error"]["code"] == code
    assert listed["data"] == {"artifacts": []}


async def test_an_invalid_artifact_leaves_its_files_out(connect: Connect, house: House) -> None:
    async with connect() as agent:
        run = await begun(agent, house)
        answer = await call(
            agent, "submit_artifact", run=run, phase="signed", artifact={"title": ""}, attach=["shot.png"]
        )
        listed = await call(agent, "read_artifact", run=run)

    assert answer["error"]["code"] == "invalid_artifact"
    assert "attachments" not in listed["data"]
