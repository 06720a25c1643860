"""The how-to page on calling tools is correct: its template runs from the issue to the pull request."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene
from tests.engine.step_scene import configure, rows, step_states
from tests.tools.stub import Stub
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workflow.catalogue import shipped_templates
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.config.settings_tables import Settings

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "call-tools-in-a-workflow.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TEMPLATE: dict[str, Any] = json.loads(next(text for language, text in BLOCKS if language == "json"))


@pytest.fixture
def github(running: Stub) -> Stub:
    """A server of that name with no calls yet."""
    running.calls.unlink(missing_ok=True)
    return running


@pytest.fixture
def ready(scene: Scene, github: Stub) -> Scene:
    """The template is trusted, and ``github`` answers."""
    configure(scene, f'[mcp_servers.github]\nurl = "{github.url}"', f'[http]\nallow = ["{github.origin}"]')
    scene.write(f".wfe/templates/{TEMPLATE['name']}/template.json", json.dumps(TEMPLATE))
    with scene.store.tx() as tx:
        tx.trust.give(scene.engine.project_id, trust_key(TEMPLATE["name"]), digest(TEMPLATE), HUMAN, scene.clock())
    return scene


def test_the_configuration_on_the_page_is_one() -> None:
    table = tomllib.loads(next(text for language, text in BLOCKS if language == "toml"))
    assert Settings.model_validate(table).mcp_servers["github"].fault([]) == ""


def test_the_template_on_the_page_takes_the_name_of_no_shipped_one() -> None:
    assert TEMPLATE["name"] not in {one.name for one in shipped_templates()}


@pytest.mark.requirement("S2-28")
def test_an_issue_becomes_a_branch_and_a_pull_request(ready: Scene, github: Stub) -> None:
    run = answers.start_run(ready.engine, AGENT, "open_pr", {"number": 7}).run
    assert run is not None
    ready.work()
    assert [call["tool"] for call in github.called()] == ["get_issue", "create_branch", "create_pull_request"]
    assert github.called("create_branch")[0]["branch"] == "fix/7"
    assert github.called("create_pull_request")[0]["title"] == "Fix: Crash: ${inputs.goal} ${1 + 1}"
    made = rows(ready, run, "open")["pull_request"].output
    assert made["html_url"] == "https://example.org/pr/1"
    found = ready.begin(run, "review")
    assert found.ok
    shown = answers.status(ready.engine, AGENT, run, "full").data["phases"][0]["steps"]
    assert (shown[0]["step"], shown[0]["does"], shown[0]["state"]) == ("fetch", "tool github.get_issue", "done")


def test_an_issue_that_is_no_bug_opens_nothing(ready: Scene, github: Stub) -> None:
    run = answers.start_run(ready.engine, AGENT, "open_pr", {"number": 1}).run
    assert run is not None
    ready.work()
    assert step_states(ready, run, "open") == {"fetch": "done", "branch": "skipped", "pull_request": "skipped"}
    assert ready.state(run).status is RunStatus.COMPLETED
    assert [call["tool"] for call in github.called()] == ["get_issue"]
