"""Accepted decisions about the architecture are in the prompts of what they are about."""

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item

READY = {"title": "Say thanks", "body": "To all who helped", "criteria": ["it says thanks"]}


def decided(scene: Scene, title: str, *scopes: str) -> None:
    made = add_item(scene.engine, AGENT, "decision", {"title": title, "body": "Because", "scopes": scopes})
    change_item(scene.engine, HUMAN, made.id, {}, "accepted")


def prompt(scene: Scene, run: str) -> str:
    return scene.begin(run, "plan").data["prompt"]


@pytest.mark.requirement("S3-14", "S3-17")
def test_a_prompt_has_all_of_them_and_that_of_a_run_for_an_item_those_of_its_paths(scene: Scene) -> None:
    for title, scopes in (("Use SQLite", ("src/store",)), ("Use Python", ()), ("Use React", ("web",))):
        decided(scene, title, *scopes)
    add_item(scene.engine, AGENT, "decision", {"title": "Use Rust"})
    item = add_item(scene.engine, AGENT, "task", READY | {"scopes": ["src/store/items.py"]})
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    every = prompt(scene, scene.start(phase("plan")))
    some = prompt(scene, start_item(scene.engine, AGENT, item.id, "drill").record.id)

    assert "W-1 Use SQLite (src/store): Because\nW-2 Use Python: Because\nW-3 Use React (web): Because" in every
    assert "Use Rust" not in every
    assert "W-1 Use SQLite (src/store): Because\nW-2 Use Python: Because\n" in some
    assert "Use React" not in some


def test_a_prompt_stays_when_a_decision_is_replaced(scene: Scene) -> None:
    decided(scene, "Use SQLite")
    run = scene.start(phase("plan"))
    change_item(scene.engine, HUMAN, "W-1", {}, "superseded", "replaced by W-2")

    assert "Use SQLite" in prompt(scene, run)
    assert "Use SQLite" not in prompt(scene, scene.start(phase("plan")))


def test_of_many_decisions_the_first_are_written_out_and_the_rest_are_counted(scene: Scene) -> None:
    for number in range(23):
        decided(scene, f"Rule {number}")
    text = prompt(scene, scene.start(phase("plan")))

    assert "W-20 Rule 19" in text
    assert "and 3 more decisions: work(action='list', kind='decision')" in text
