"""Is anything left in the files that the author meant to finish?"""

from typing import Any

from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.gates.plugin import GateScene

__all__ = ["no_todo"]


class NoTodo:
    """No word of ``words`` stands in a file of the project; git looks, so the project is under git."""

    with_schema: dict[str, Any] = {  # noqa: RUF012 - it is read, never changed
        "type": "object",
        "properties": {"words": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}},
        "additionalProperties": False,
    }

    def __call__(self, scene: GateScene) -> Judgement:
        words: list[str] = scene.settings.get("words", ["TODO", "FIXME"])
        asked = [option for word in words for option in ("-e", word)]
        done = scene.run(["git", "grep", "--untracked", "-n", "-w", "-F", *asked], timeout_s=60, log="no_todo.log")
        if done.exit_code == 1:
            return passed("acme.no_todo", f"No {' or '.join(words)} is left.", {"words": words})
        if done.exit_code == 0:
            found = done.output_tail.splitlines()
            message = f"{len(found)} line(s) are not finished, such as {found[0][:200]}"
            return failed("acme.no_todo", message, "finish or remove them.", {"found": found[:50]})
        return undecided("acme.no_todo", "git could not look.", "ask the user to put the project under git.")


no_todo = NoTodo()
