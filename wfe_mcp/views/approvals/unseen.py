"""Names the characters of a decision that no one sees.

They are written out wherever they are shown; here they are counted, so that no one has to find them. The parts of an emoji
and joiners within a word are usual (``core/texts.py``). Of a changed file, its name and the new lines count. So do letters of
another script within a word of Latin ones, which look as if they were one of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, cast

from wfe_mcp.core.texts import as_given, lookalikes, one_line, unseen, unseen_words
from wfe_mcp.views.approvals.model import ApprovalView
from wfe_mcp.views.runs.requests import Unusual
from wfe_mcp.workspace.git.file_diffs import FileDiff

_PARTS = {
    "inputs": "the inputs",
    "prompt": "the prompt",
    "artifact": "the artifact",
    "earlier": "an earlier artifact",
    "evidence": "the evidence",
    "opinions": "an opinion",
    "attempts": "an earlier attempt",
    "attachments": "an attached file",
    "not_done": "what was not done",
    "target": "what an approval lets the server call",
    "phrase": "the phrase",
}
"""The parts of a decision whose texts others write, besides the changed files."""
WHY = "They are written out below, for example as <U+200B>. A model or a program may read them."

WHY_ALIKE = "So it is another name than the one that it looks like."


def unseen_in(view: ApprovalView) -> tuple[Unusual, ...]:
    """Where ``view`` has characters that no one sees; empty where it has none."""
    parts: list[tuple[str, object]] = [
        (words, [text.replace("\r", "") for text in _texts(getattr(view, name))])  # programs print progress with it
        for name, words in _PARTS.items()
    ]
    parts.append(("the title", as_given(view.title)))
    for change in view.changes:
        parts += [(one_line(file.path), file) for file in change.files]
        parts.append(("a file that git ignores", change.watched))
    return unseen_things(parts)


def unseen_things(parts: Iterable[tuple[str, object]]) -> tuple[Unusual, ...]:
    """Where one of ``parts``, each with its name, has such characters in any of its texts; empty where none has.

    A file is in several changes, and may be called as another part is: none of the same name hides what another has.
    """
    listed = [(name, [*_texts(part)]) for name, part in parts]
    kinds = (
        (unseen, (), WHY),
        (lookalikes, ("Letters of another script that look like Latin ones are in words of",), WHY_ALIKE),
    )
    named = [(unseen_words(_count_characters(listed, count), *what), why) for count, what, why in kinds]
    return tuple(Unusual("warning", f"{text}.", why) for text, why in named if text)


def _count_characters(
    parts: Iterable[tuple[str, Sequence[str]]], count: Callable[[str], Mapping[str, int]]
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for name, texts in parts:
        own: Counter[str] = Counter()
        for text in texts:
            own.update(count(text))
        counts[name] = counts.get(name, Counter()) | own
    return counts


def _texts(value: Any) -> Iterator[str]:
    """Every text in ``value``; of a changed file its names and its new lines."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, FileDiff):
        yield from (value.path, value.old_path)
        yield from (line[1:] for hunk in value.hunks for line in hunk.lines if line.startswith("+"))
    elif isinstance(value, Mapping):
        for key, part in cast("Mapping[str, Any]", value).items():
            yield key
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in cast("list[Any]", value):
            yield from _texts(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
