"""How does a person stand in for a model? The prompt goes out as a file, the answer comes back as one.

    <attempt>/manual/prompt.md     what to do, and where the output goes: to paste into any model, or to do oneself
    <attempt>/manual/answer.json   the output; or
    <attempt>/manual/answer.md     what the model said, with the output in its last JSON block

Rules:
1. Neither is the mirror of a prompt or artifact: those belong to the engine, and an edit of them means something else.
2. An answer is looked at as often as anybody likes; one that cannot be read yet says why and may be mended.
3. ``wfe-mcp submit`` does as well: then nobody asks for the answer any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import ProviderFault
from wfe_mcp.providers.output import value_in, with_paragraph
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.providers.call import Task
    from wfe_mcp.workspace.config.provider_kinds import FsAbility

__all__ = ["PromptFile", "answer_of", "places", "prompt_file"]


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt that waits for a person. Paths are relative to the project root.

    ``told``: what the person has to do, in a sentence or two. ``places``: where the answer may be put.
    """

    path: str
    places: tuple[str, ...]
    text: str
    told: str


def prompt_file(root: Path, attempt: str, task: Task, ability: FsAbility, submit: str = "") -> PromptFile:
    """Write the prompt of ``task`` for a person. ``attempt``: the folder of the attempt, relative to the root.

    Writing it again changes nothing but the file; an answer that is there stays. ``submit``: the command that hands an
    answer in, up to its file.
    """
    path, places = _path(attempt), _places(attempt)
    prompt = f"{task.system.rstrip()}\n\n{task.prompt}" if task.system else task.prompt
    text = with_paragraph(prompt, ability, places[0], task.schema)
    write_atomic(root, path, text)
    by_hand = f" Or hand in a file yourself: {submit} --path FILE" if submit else ""
    told = (
        f"The prompt is in {path} : give it to a model, or do what it says. Save the output as {places[0]} (or the whole "
        f"answer as {places[1]} ); it is picked up by itself.{by_hand}"
    )
    return PromptFile(path, places, text, told)


def answer_of(root: Path, attempt: str) -> dict[str, Any] | None:
    """The answer to the prompt of this attempt; None while there is none.

    Raises ProviderFault (``unparsable``) while the file holds no JSON object, and Refused (T5) for a link or the like.
    """
    for place in _places(attempt):
        content = read_if_there(root, place)
        if content is None or not content.strip():
            continue
        value = value_in(content.decode(errors="replace"))
        if value is None:
            raise _unreadable(place, content)
        return value
    return None


def places(attempt: str) -> tuple[str, tuple[str, str]]:
    """Where the prompt of an attempt is, and where its answer may be put."""
    return _path(attempt), _places(attempt)


def _path(attempt: str) -> str:
    return f"{attempt}/manual/prompt.md"


def _places(attempt: str) -> tuple[str, str]:
    return f"{attempt}/manual/answer.json", f"{attempt}/manual/answer.md"


def _unreadable(place: str, content: bytes) -> ProviderFault:
    hint = "Correct the file and save it again: it is looked at again by itself."
    if place.endswith(".md"):
        return ProviderFault("unparsable", f"'{place}' holds no ```json block with an object.", hint)
    try:
        parse_json(content)
    except Refused as no:
        return ProviderFault("unparsable", f"'{place}' cannot be read: {no.message}", hint)
    return ProviderFault("unparsable", f"'{place}' holds JSON, but no object.", hint)
