"""The feed of a run's events since the last look."""

import pytest

from tests.engine.call_scene import DOLLAR, MODEL, dollars, job, listener
from tests.engine.scene import Scene, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.providers.call import ToolResult
from wfe_mcp.views.history.board import Feed, Happening


def words(news: list[Happening]) -> list[str]:
    return [one.text or str(one.event and one.event.type) for one in news]


@pytest.mark.requirement("S1-33")
def test_each_thing_is_reported_once_when_it_is_known_how_it_ended(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    feed = Feed(scene.engine, RunId(run), 0, scene.clock())
    assert words(feed.news()) == ["RunStarted", "PhaseReady", "PhaseStarted", "CheckpointTaken"]
    heard = listener(scene, job(scene, run))
    heard.before_call(MODEL, DOLLAR)
    heard.tool_started("1", "bash", {"command": "make all"})
    scene.clock.advance(seconds=2)
    heard.tool_started("2", "read", {"path": "app.py"})
    heard.tool_ended("2", "read", ToolResult("VALUE = 1"), 0.02)
    assert words(feed.news()) == ["read app.py: ok, 20 ms"]
    assert feed.news() == []
    scene.clock.advance(seconds=60)
    heard.tool_ended("1", "bash", ToolResult("no rule", ok=False), 62.0)
    heard.after_call(MODEL, dollars(0.5), None)
    assert sorted(words(feed.news())) == ["bash make all: failed, 62.0 s", "openai gpt-4o: 110 tokens, $0.50, 62.0 s"]
    scene.submit(run, "plan")
    assert words(feed.news())[-2:] == ["RunCompleted", "CheckpointTaken"]
    assert feed.news() == []
