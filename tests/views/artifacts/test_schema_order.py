"""What people read of an artifact is in the order of its schema, through every interface; what is stored is sorted."""

import json
from collections.abc import Iterable
from typing import Any

from tests.engine.scene import AGENT, Scene, approval, phase
from wfe_mcp.artifacts.content import in_schema_order
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.pages.artifact import artifact_page
from wfe_mcp.views.reports.envelopes import overview_of

PLAN = {
    "summary": "Guard the average",
    "steps": [
        {"title": "Test the length", "id": "S-1", "acceptance": ["average([]) is 0"], "detail": "before it divides"}
    ],
    "risks": ["callers"],
}
STEP = ["id", "title", "acceptance", "detail"]


def planned(scene: Scene) -> str:
    plan = phase("plan", approval())
    plan["output"]["schema"] = "plan@1"
    run = scene.start(plan)
    scene.do(run, "plan", PLAN)
    return run


def orders(content: Any) -> tuple[list[str], list[str]]:
    return list(content), list(content["steps"][0])


def test_a_plan_reads_in_the_order_of_its_schema_through_every_interface(scene: Scene) -> None:
    run = planned(scene)
    approvals.ask(scene.engine, AGENT, run, "plan")
    page = artifact_page(scene.engine, overview_of(scene.engine, run), "plan", None)
    shown = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert shown is not None
    assert shown.artifact is not None
    read = answers.read_artifact(scene.engine, AGENT, run, "plan").data

    for content in (page.content, shown.artifact.content, read["content"]):
        assert orders(content) == (["steps", "summary", "risks"], STEP)
    assert page.markdown.index("title") < page.markdown.index("detail")
    assert [each["name"] for each in page.parts] == ["steps", "summary", "risks"]


def test_what_is_stored_stays_sorted(scene: Scene) -> None:
    run = planned(scene)
    with scene.store.read() as tx:
        kept = tx.artifacts.revision(scene.engine.load(tx, run).record.id, scene.attempt(run, "plan").phase, 1)
    assert kept is not None
    assert orders(json.loads(kept.content)) == (["risks", "steps", "summary"], sorted(STEP))


def keys(value: Any) -> Iterable[str]:
    return list(value)


def test_a_sorted_schema_orders_by_what_it_requires() -> None:
    schema: dict[str, Any] = {"properties": {"body": {}, "note": {}, "title": {}}, "required": ["title", "note"]}
    assert keys(in_schema_order({"body": 1, "extra": 2, "note": 3, "title": 4}, schema)) == [
        "title",
        "note",
        "body",
        "extra",
    ]


def test_references_lists_and_maps_are_followed() -> None:
    schema: dict[str, Any] = {
        "properties": {
            "rows": {"items": {"$ref": "#/$defs/row"}},
            "by_name": {"additionalProperties": {"$ref": "#/$defs/row"}},
        },
        "$defs": {"row": {"properties": {"what": {}, "how": {}}}},
    }
    row = {"how": 1, "what": 2}
    found = in_schema_order({"by_name": {"b": row, "a": row}, "rows": [row, "text"]}, schema)
    assert keys(found) == ["rows", "by_name"]
    assert keys(found["rows"][0]) == keys(found["by_name"]["b"]) == ["what", "how"]
    assert found["rows"][1] == "text"
    assert keys(found["by_name"]) == ["b", "a"]
    assert in_schema_order([row], {}) == [row]
