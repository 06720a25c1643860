"""The checks without which a template cannot pass, read from its definition: no model is loaded for it."""

from typing import Any, cast

from wfe_mcp.core.limits import PHASES


def required_checks(definition: object) -> set[str]:
    """The checks of its gates and steps, and of the templates embedded in it, without those of gates that may do without.

    Empty for what is no template, or one with more phases than a template may have.
    """
    needed: set[str] = set()
    waiting, phases = [definition], 0  # a list instead of recursion: the definition may be deeper than the stack
    while waiting:
        if not isinstance(value := waiting.pop(), dict):
            continue
        part = cast("dict[str, Any]", value)
        for call in (*_members(part, "gates"), *_members(part, "prompt_gates"), *_members(part, "steps")):
            if isinstance(check := call.get("check"), str) and call.get("if_missing") != "note":
                needed.add(check)
        inside = _members(part, "phases")
        phases += len(inside)
        waiting += [*inside, *_members(part, "on_fail"), part.get("definition"), part.get("defaults")]
    return needed if phases <= PHASES.most else set()


def _members(part: dict[str, Any], key: str) -> list[dict[str, Any]]:
    members: object = part.get(key)
    known = cast("list[object]", members) if isinstance(members, list) else []
    return [cast("dict[str, Any]", member) for member in known if isinstance(member, dict)]
