"""A project with twenty work items of every kind and status, as the pages about them show it."""

from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item

BODY = """Tide tables of **Brest** and Lisbon differ by up to `12 min`.

- read the harmonics from `data/harmonics.csv`
- keep the old table beside it

| port | offset |
|---|---|
| Brest | 0 |
| Lisbon | -12 |
"""


def add(scene: Scene, title: str, kind: str = "task", *statuses: str, **given: object) -> str:
    """An item that went through ``statuses``, described so that it can."""
    about = {"body": "So that no one asks again.", "criteria": ["A test shows it."]} if kind != "idea" else {}
    item = add_item(scene.engine, AGENT, kind, {**about, "title": title, **given})
    for status in statuses:
        by = AGENT if status in {"ready", "blocked"} else scene.human
        change_item(
            scene.engine, by, item.id, {}, status, "The harbour's key is missing" if status == "blocked" else ""
        )
    return item.id


def filled(scene: Scene) -> str:
    """Add them all; the id of the run that works ``W-4``."""
    scene.define(phase("plan"), name="drill", title="A short drill")
    harbour = add(scene, "Tables for every harbour", "milestone", "ready", sequential=True, priority=8)
    add(scene, "Read the harmonics", "task", "ready", "done", parent=harbour)
    add(scene, "Predict high water", "task", parent=harbour, needs=["W-2"], scopes=["src/tides"], body=BODY)
    add(
        scene,
        "Predict low water",
        "task",
        "ready",
        parent=harbour,
        priority="critical",
        scopes=["src/tides/low.py"],
        criteria=["Low water of Brest is within a minute.", "The old table still opens."],
        tags=["tides"],
        body=BODY,
    )
    add(scene, "Print a table", "task", parent=harbour, needs=["W-3", "W-4"])
    scene.clock.advance(minutes=30)
    add(scene, "High water is an hour late in summer", "bug", "ready", priority=9, scopes=["src/tides"])
    add(scene, "The map is upside down", "bug", "ready", priority="high")
    add(scene, "A year without tides is refused", "bug", "ready", "done")
    add(scene, "Tides can be forged by a proxy", "threat", "ready", "blocked", priority="critical")
    add(scene, "Prediction answers within 50 ms", "requirement", "ready")
    add(scene, "Tables open without a network", "requirement")
    add(scene, "Show the moon", "idea")
    add(scene, "Sell it to fishermen", "idea", priority="low")
    add(scene, "Speak the tables aloud", "idea", "dropped")
    add(scene, "Unused import in src/map.py", "finding", priority="low", scopes=["src/map.py"], tags=["info"])
    add(scene, "Token is written to the log", "finding", "ready", priority=9, tags=["critical"])
    add(
        scene, "Tables are plain text", "decision", "accepted", scopes=["src/tables"], body="Any program can read them."
    )
    add(scene, "Times are UTC", "decision", "accepted", "deprecated", body="The harbour thinks in local time.")
    add(scene, "Harmonics come from the office", "decision", body="No one else measures them.")
    add(scene, "Name the license", "task", "ready", body="MIT, as the office asks. ")
    run = start_item(scene.engine, AGENT, "W-4", "drill").record.id
    scene.clock.advance(minutes=12)
    return run
