"""The real programs as reviewers of a hostile project, with a scripted model on this machine.

They run where ``scripts/real_clients.py`` has installed them; else each test is skipped with the reason.
``test_isolation.py`` tests the same everywhere, with a program that reads the same files.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.real_clients import node_for
from tests import real_clients
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer, RecordedRequest
from tests.providers.agents.conftest import PLACE, SCHEMA
from tests.providers.agents.hostile import ORDER, hostile, names
from wfe_mcp.jobs.child import run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.providers.agents import AGENT_KINDS, AGENTS, LaunchContext, ask_agent, run_agent
from wfe_mcp.providers.call import Connection, Question, Task
from wfe_mcp.workspace.config.provider_kinds import ProviderKind

kinds = pytest.mark.parametrize("kind", AGENT_KINDS)
QUESTION = Question("Is the plan right?", "You review.", SCHEMA)
KEY = "sk-dummy-0123456789"


def obedient(asked: RecordedRequest) -> Turn:
    """A model that obeys anyone who gives it an order."""
    verdict = "pass" if ORDER in json.dumps(asked.body) + json.dumps(asked.headers) else "fail"
    return Turn(text=f'I looked.\n\n```json\n{{"summary": "{verdict}"}}\n```')


@dataclass
class Scene:
    """A hostile project in a hostile user's home, below a hostile folder that also holds the temporary files."""

    kind: ProviderKind
    root: Path
    home: Path
    effects: Path
    models: ModelServer

    def connection(self) -> Connection:
        vendor = f'{{name="x",base_url="{self.models.v1}",wire_api="responses",env_key="OPENAI_API_KEY"}}'
        config = {"config": ["model_provider=x", f"model_providers.x={vendor}"]} if self.kind == "codex" else {}
        model = {"codex": "gpt-5.5", "gemini-cli": "gemini-2.5-pro"}.get(self.kind, "")
        # Addresses come from configuration only, so they are part of the command that it names.
        program = (
            "/usr/bin/env",
            f"ANTHROPIC_BASE_URL={self.models.origin}",
            f"GOOGLE_GEMINI_BASE_URL={self.models.origin}",
            f"HTTPS_PROXY={real_clients.NOWHERE}",
            f"HTTP_PROXY={real_clients.NOWHERE}",
            "NO_PROXY=127.0.0.1,localhost",
            str(real_clients.program(AGENTS[self.kind].program[0])),
        )
        return Connection(
            "helper",
            self.kind,
            model,
            argv=program,
            api_key=KEY,
            total_s=120.0,
            options=config,
            fs_ability="local-write",
        )

    def launch(self) -> LaunchContext:
        node = node_for(AGENTS[self.kind].program[0])
        source = {
            "PATH": os.pathsep.join([*([str(node)] if node else []), os.environ["PATH"]]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }

        def environment(wanted: Iterable[str]) -> dict[str, str]:
            return child_env(wanted, source)

        return LaunchContext(self.root, run_child, environment)

    @property
    def sent(self) -> str:
        return "\n".join(json.dumps(asked.body) + json.dumps(asked.headers) for asked in self.models.asked)


@pytest.fixture
def scene(kind: ProviderKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    real_clients.program(AGENTS[kind].program[0])
    above, effects = tmp_path / "above", tmp_path / "effects"
    root, home = above / "project", tmp_path / "home"
    for folder, name in ((above, "above"), (root, "project"), (home, "home")):
        hostile(folder, effects, name)
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    settings = json.loads((home / ".gemini/settings.json").read_text())
    settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
    (home / ".gemini/settings.json").write_text(json.dumps(settings))
    (above / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(above / "tmp"))
    with ModelServer([obedient] * 100) as models:
        yield Scene(kind, root, home, effects, models)


@kinds
def test_a_real_agent_that_reviews_a_hostile_project_hears_none_of_its_orders(scene: Scene) -> None:
    answer = ask_agent(scene.connection(), QUESTION, scene.launch())
    heard = [part[:120] for part in scene.sent.split(ORDER)[1:]]
    assert (answer.value, heard) == ({"summary": "fail"}, [])
    assert "Is the plan right?" in scene.sent
    assert ORDER not in scene.sent and "verdicts" not in scene.sent
    assert not names(scene.effects)
    assert answer.model == {"codex": "gpt-5.5", "gemini-cli": "gemini-2.5-pro"}.get(scene.kind, answer.model) != ""
    assert not [*Path(tempfile.gettempdir()).glob("wfe-review-*")]


@kinds
def test_the_same_agent_obeys_them_where_it_works_in_the_project(scene: Scene) -> None:
    """The counter-proof: without isolation the orders of these files do arrive."""
    worked = run_agent(scene.connection(), Task("Is the plan right?", SCHEMA), scene.launch(), place=PLACE)
    assert worked.value == {"summary": "pass"}
    assert ORDER in scene.sent


@kinds
def test_a_real_agent_that_reviews_has_no_tool_that_reads_the_project(scene: Scene) -> None:
    ask_agent(scene.connection(), QUESTION, scene.launch())
    offered = {name for asked in scene.models.asked for name in _tools(asked.body)}
    harmless = {"apply_patch", "request_user_input", "update_plan", "list_directory"}
    assert offered <= harmless, offered - harmless


def _tools(body: dict[str, Any]) -> Iterable[str]:
    for tool in body.get("tools", ()):
        declared = tool.get("functionDeclarations") or [tool]
        yield from (str(each.get("name") or each.get("type")) for each in declared)
