"""A project whose names, texts and figures are as long as they may be: what it shows must still fit, and read well."""

from typing import Any

from tests.dashboard.browser import asked
from tests.dashboard.stage import Stage
from tests.engine.scene import Scene, approval, expr, phase

UNBROKEN = "a_name_without_any_spaces_" * 8
ADDRESS = "https://example.org/" + "a/long/path/" * 30
MANY_FIELDS: dict[str, Any] = {
    "type": "object",
    "required": ["title", "steps"],
    "properties": {
        "title": {"type": "string"},
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "files": {"type": "array"}, "effort": {"type": "null"}},
            },
        },
    },
}
WIDE_ARTIFACT: dict[str, Any] = {
    "title": UNBROKEN,
    "steps": [
        {"title": UNBROKEN, "files": [f"src/{UNBROKEN}.py", ADDRESS], "effort": None},
        {"title": "second", "files": [], "effort": None},
    ],
}


def rich(scene: Scene, stage: Stage) -> dict[str, str]:
    """The names that addresses need: those of ``stage``, and of runs with long texts in every place."""
    names = {name: getattr(stage, name) for name in Stage.__dataclass_fields__}
    loud = phase(
        "plan_" + "long_" * 10, {"kind": "opinion", "reviewers": ["reviewer"], "if_missing": "note"}, approval()
    )
    loud["output"]["schema"] = MANY_FIELDS
    names["loud"] = scene.start(
        loud,
        name="loud",
        title=UNBROKEN[:100],
        inputs={"goal": f"{UNBROKEN} {ADDRESS}"},
        auto=True,
        roles={"reviewer": {"provider": "reviewer", "description": "reads"}},
    )
    scene.write(f"src/{UNBROKEN}.py", f"x = '{UNBROKEN}{ADDRESS}'\n")
    scene.do(names["loud"], loud["id"], WIDE_ARTIFACT)
    names["long_phase"] = loud["id"]
    names["loud_request"] = asked(scene, names["loud"], loud["id"])
    failing = phase(
        "build",
        {"kind": "expr", "assert": "${false}", "message": f"{UNBROKEN} {ADDRESS}"},
        on_fail=[{"do": "retry", "max_attempts": 1}, {"do": "block"}],
    )
    names["noisy"] = scene.start(failing, name="noisy", title="Noisy", inputs={"goal": ADDRESS})
    scene.do(names["noisy"], "build", {"title": UNBROKEN, "body": f"`{UNBROKEN}`\n\n    {ADDRESS}\n"})
    walk = phase(
        "walk",
        kind="loop",
        for_each={"in": "${inputs.names}", "as": "name"},
        phases=[phase("draft"), phase("check", expr("${size(artifacts.draft_note.title) > 3}"))],
    )
    walk = {key: value for key, value in walk.items() if key not in {"output", "prompt", "gates"}}
    names["loop"] = scene.start(
        walk,
        phase("after", needs=["walk"]),
        name="walks",
        title="Walk a list",
        inputs={"names": ["one", "two", "three"]},
        schema={"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}},
    )
    return names
