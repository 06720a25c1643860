"""The manual provider: a person acts for a model, with the prompt and the answer as files.

    <attempt>/manual/prompt.md     the task and the place of the output: paste it into any model, or do it yourself
    <attempt>/manual/answer.json   the output; or
    <attempt>/manual/answer.md     a model's whole answer, with the output in its last JSON block
    <attempt>/manual/opinion-….md  the question of an opinion gate; its answer is opinion-….json

Rules:
1. These files are no mirrors of a prompt or artifact: the engine owns those, and an edit of them has another meaning.
2. Reading an answer changes nothing; an unreadable one raises a fault with the reason, and may be corrected.
3. ``wfe-mcp submit`` works too; the answer file is then ignored.
4. An opinion is never read automatically: it decides about work, so a person takes it in with a command.
"""

from pathlib import Path
from typing import Any

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import ProviderFault, Question, Task
from wfe_mcp.providers.manual_files import places_of
from wfe_mcp.providers.output import value_in, with_paragraph
from wfe_mcp.workspace.config.provider_kinds import FsAbility
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt for a person. Paths are relative to the project root.

    ``instructions``: a sentence or two. ``places``: the paths where the answer may be saved.
    """

    path: str
    places: tuple[str, ...]
    text: str
    instructions: str


def prompt_file(root: Path, attempt: str, task: Task, ability: FsAbility, submit: str = "") -> PromptFile:
    """Write the prompt of ``task`` for a person. ``attempt``: the folder of the attempt, relative to the root.

    Writing it again replaces only the prompt; an existing answer is kept. ``submit``: the command that submits an answer,
    without its file.
    """
    path, places = places_of(attempt)
    prompt = f"{task.system.rstrip()}\n\n{task.prompt}" if task.system else task.prompt
    text = with_paragraph(prompt, ability, places[0], task.schema)
    write_atomic(root, path, text)
    by_hand = f" Or submit a file: {submit} --path FILE" if submit else ""
    instructions = (
        f"The prompt is in {path} : give it to a model, or do the task. Save the output as {places[0]} (or the whole "
        f"answer as {places[1]} ); wfe-mcp reads it automatically.{by_hand}"
    )
    return PromptFile(path, places, text, instructions)


def question_file(
    root: Path, attempt: str, name: str, question: Question, ability: FsAbility, command: str
) -> tuple[str, str]:
    """Write a question for a person who reviews: its path, and the path where the answer may be saved.

    ``name``: of the reviewer and the question; ``command``: takes the answer. Pictures are written beside it.
    """
    stem = f"{attempt}/manual/opinion-{name}"
    pictures = [
        f"{stem}-{number}.{image.media_type.rpartition('/')[2]}" for number, image in enumerate(question.images, 1)
    ]
    for path, image in zip(pictures, question.images, strict=True):
        write_atomic(root, path, image.content)
    shown = f"\n\n# The pictures\n{chr(10).join(pictures)}" if pictures else ""
    prompt = f"{question.system.rstrip()}\n\n{question.prompt}{shown}"
    text = with_paragraph(prompt, ability, f"{stem}.json", question.schema or {})
    write_atomic(root, f"{stem}.md", f"{text.rstrip()}\n\nWhen it is saved, the user runs: {command}\n")
    return f"{stem}.md", f"{stem}.json"


def answer_of(root: Path, attempt: str) -> dict[str, Any] | None:
    """The answer to the prompt of this attempt; None while there is none.

    Raises ProviderFault (``unparsable``) while the file holds no JSON object, and Refused (T5) for a link or a device.
    """
    for place in places_of(attempt)[1]:
        content = read_if_there(root, place)
        if content is None or not content.strip():
            continue
        value = value_in(content.decode(errors="replace"))
        if value is None:
            raise _unreadable(place, content)
        return value
    return None


def _unreadable(place: str, content: bytes) -> ProviderFault:
    hint = "Correct and save the file; it is read again automatically."
    if place.endswith(".md"):
        return ProviderFault("unparsable", f"'{place}' has no ```json block with an object.", hint)
    try:
        parse_json(content)
    except Refused as no:
        return ProviderFault("unparsable", f"'{place}' cannot be read: {no.message}", hint)
    return ProviderFault("unparsable", f"'{place}' holds JSON, but not an object.", hint)
