"""An agent in another worktree of a project sees the runs of the main folder, and works on its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import HUMAN, House, call
from wfe_mcp.core.model import By, Channel
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.maintenance import projects
from wfe_mcp.store import Store
from wfe_mcp.views.answers.tool_answers import status
from wfe_mcp.workspace.system.shell_words import shell_word
from wfe_mcp.workspace.system.temporary import remove_folder

IDENTITY = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
NOTE = {"title": "a title"}


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", root, *IDENTITY, *words], check=True, capture_output=True)


@pytest.fixture
def linked(house: House) -> Iterator[House]:
    """A second work tree of the project, with the same files."""
    git(house.root, "add", "-A")
    git(house.root, "commit", "-q", "-m", "begin")
    git(house.root, "worktree", "add", "-q", str(house.root.parent / "linked"))
    made = replace(house, root=house.root.parent / "linked", engines=[])
    yield made
    for each in made.engines:
        each.close()


async def started(house: House, title: str) -> str:
    async with house.client("auto") as agent:
        found = await call(agent, "start_run", template="drill", inputs={"goal": "x"}, title=title)
    return str(found["run"])


async def test_a_claim_from_another_worktree_names_the_folder_and_uses_up_no_attempt(
    house: House, linked: House
) -> None:
    run = await started(house, "of main")
    async with linked.client("auto") as agent:
        claimed = await call(agent, "start_phase", run=run, phase="checked")
        submitted = await call(agent, "submit_artifact", run=run, phase="checked", artifact=NOTE)
        seen = await call(agent, "status", run=run)

    for refused in (claimed, submitted):
        assert refused["error"]["code"] == "other_folder"
        assert f"works in {shell_word(str(house.root))}" in refused["error"]["message"]
        assert f"wfe-mcp serve --project {shell_word(str(house.root))}" in refused["error"]["hint"]
    assert seen["summary"].endswith(f"in another folder: {house.root}")
    assert not [move for move in seen["next"] if move["tool"] == "start_phase"]
    async with house.client("auto") as agent:
        found = await call(agent, "start_phase", run=run, phase="checked")
    assert (found["state"], found["data"]["attempt"]) == ("running", 1)


async def test_a_run_of_another_worktree_that_is_over_is_not_to_be_continued_there(house: House, linked: House) -> None:
    run = await started(house, "of main")
    async with house.client("auto") as agent:
        await call(agent, "control_run", run=run, action="cancel", reason="not needed")
    async with linked.client("auto") as agent:
        seen = await call(agent, "status", run=run)
    assert seen["summary"].endswith(f"in another folder: {house.root}")
    assert not [line for line in seen["data"].get("warnings", []) if "Continue it" in line]


async def test_this_folders_runs_come_first_and_the_others_are_named_with_their_folder(
    house: House, linked: House
) -> None:
    here = await started(linked, "of the worktree")
    there = await started(house, "of main")  # the newest of all
    async with linked.client("auto") as agent:
        found = await call(agent, "status")

    assert [(row["run"], row.get("folder", "")) for row in found["data"]["runs"]] == [
        (here, ""),
        (there, str(house.root)),
    ]
    assert f"1 in this folder ({linked.root})" in found["summary"]
    assert {move["args"]["run"] for move in found["next"]} == {here}


async def test_where_no_run_is_of_this_folder_the_agent_is_sent_to_none(house: House, linked: House) -> None:
    await started(house, "of main")
    async with linked.client("auto") as agent:
        found = await call(agent, "status")

    assert found["summary"] == f"1 open run, none in this folder ({linked.root})"
    assert [move["tool"] for move in found["next"]] == ["list_templates"]


async def test_the_same_configuration_needs_no_second_trust_in_a_worktree(house: House, linked: House) -> None:
    async with linked.client("auto") as agent:
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        await call(agent, "start_phase", run=run, phase="checked")
        await call(agent, "submit_artifact", run=run, phase="checked", artifact=NOTE)
        found: dict[str, Any] = {}
        while found.get("state") not in {"completed", "failed", "awaiting"}:
            found = await call(agent, "status", run=run, wait_s=20, detail="full")
            found = next(one for one in found["data"]["phases"] if one["phase"] == "checked")

    assert found["state"] == "completed"
    assert linked.engine().settings().untrusted == []


async def test_a_server_in_a_renamed_folder_names_the_old_one_and_continues_after_the_person_has_moved_it(
    house: House,
) -> None:
    run = await started(house, "of the old folder")
    for each in house.engines:
        each.close()
    old, new = house.root, house.root.parent / "renamed"
    old.rename(new)
    async with replace(house, root=new).client("auto") as agent:
        for tool in ("status", "list_templates", "start_run"):
            error = (await call(agent, tool))["error"]
            assert error["code"] == "needs_human"
            assert f'of {old}, which is gone. It has 1 open run: {run} "of the old folder".' in error["message"]
            assert f"wfe-mcp project move {old} {new}" in error["hint"]
        with closing(Store.open(house.environment["WFE_DATABASE_URL"], clock=utc_now)) as store:
            with store.read() as tx:
                planned = projects.move_of(tx, str(old), str(new), new)
            projects.move(store, HUMAN, planned, utc_now())
        found = await call(agent, "start_phase", run=run, phase="checked")

    assert found["state"] == "running"


async def test_a_folder_that_is_renamed_under_its_server_is_said_to_be_missing(house: House) -> None:
    run, renamed = await started(house, "of the old folder"), house.root.parent / "renamed"
    engine = house.engine()
    async with house.client("auto") as agent:
        await call(agent, "start_phase", run=run, phase="plan")
        await call(agent, "submit_artifact", run=run, phase="plan", artifact=NOTE)
        await call(agent, "start_phase", run=run, phase="checked")
        house.root.rename(renamed)
        seen = await call(agent, "status", run=run)
        refused = await call(agent, "submit_artifact", run=run, phase="checked", artifact=NOTE)
        on_page = status(engine, By("ada", Channel.DASHBOARD), run).data["warnings"]
        renamed.rename(house.root)
        submitted = await call(agent, "submit_artifact", run=run, phase="checked", artifact=NOTE)

    missing = f"works in {shell_word(str(house.root))}, and that folder is missing."
    assert [missing in line for line in seen["data"]["warnings"]] == [True]
    assert [f"{missing} If it was moved, wfe-mcp project move" in line for line in on_page] == [True]
    assert refused["error"]["code"] == "other_folder"
    assert missing in refused["error"]["message"]
    assert f"wfe-mcp project move {shell_word(str(house.root))} NEW" in refused["error"]["hint"]
    assert (submitted["state"], submitted["data"]["attempt"]) == ("completed", 1)


async def test_a_server_continues_in_a_folder_that_became_a_repository(house: House) -> None:
    for each in house.engines:
        each.close()
    remove_folder(house.root / ".git")
    before = replace(house, engines=[])
    async with before.client("auto") as agent:
        first = (await call(agent, "start_run", template="drill", inputs={"goal": "x"}))["run"]
        git(house.root, "init", "-q")
        async with replace(house, engines=[]).client("auto") as other:  # a second one, which sees the repository
            assert (await call(other, "status", run=first))["run"] == first
            second = (await call(other, "start_run", template="drill", inputs={"goal": "y"}))["run"]
        third = (await call(agent, "start_run", template="drill", inputs={"goal": "z"}))["run"]
        found = await call(agent, "status")

    assert {row["run"] for row in found["data"]["runs"]} == {first, second, third}


@pytest.mark.attack("configuration that differs by a byte relies on the trust of another worktree", "held", "T16")
def test_other_bytes_in_a_worktree_need_trust_of_their_own(linked: House) -> None:
    config = linked.root / ".wfe" / "config.toml"
    config.write_bytes(config.read_bytes() + b"\n")

    assert linked.engine().settings().untrusted == [config]


@pytest.mark.parametrize("pointer", [".git", ".git/worktrees/linked"])
@pytest.mark.attack("a folder whose .git file points into a trusted repository relies on its trust", "held", "T16")
def test_a_folder_that_only_claims_to_be_a_worktree_has_no_trust(house: House, linked: House, pointer: str) -> None:
    hostile = linked.root.parent / "hostile"
    shutil.copytree(linked.root, hostile)
    (hostile / ".git").write_text(f"gitdir: {house.root / pointer}\n", encoding="utf-8")
    other = replace(linked, root=hostile)

    engine = other.engine()

    assert engine.project.key == house.engine().project.key  # git believes the file
    assert engine.settings().untrusted == [hostile / ".wfe" / "config.toml"]
