"""What a work item of a kind says before the work begins, and the text of its kind for what was left out.

    bugfix     bug                  feature    requirement
    security   threat               refactor   a task with that tag
    finding    finding

A tag of that name chooses for a task, too. A task without such a tag has no text of its own: only its author can say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BODY_LEAST, TITLE_LEAST = 10, 3


class Described(Protocol):
    """What is read of an item here; the item itself is in the module that uses this one."""

    @property
    def kind(self) -> str:
        """What it is."""
        ...

    @property
    def title(self) -> str:
        """What it is about."""
        ...

    @property
    def body(self) -> str:
        """What is to be done, and why."""
        ...

    @property
    def criteria(self) -> tuple[str, ...]:
        """When it is done."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        ...


class ItemText(NamedTuple):
    """``asks``: what the body has to say. ``body`` and ``criteria``: what stands there where that was left out."""

    asks: str
    body: str
    criteria: tuple[str, ...]


TEXTS: Mapping[str, ItemText] = {
    "feature": ItemText(
        "who needs it, what it does, and what it does not do",
        "Build what the title says, for those who asked for it and as small as it can be. Document it where its users look.",
        ("A test shows the required behaviour.",),
    ),
    "bugfix": ItemText(
        "what happens, what is expected, and how to see it",
        "Find the cause, show it by a test that fails, and correct it there. Look for the same fault in other places.",
        ("A test fails before the change and passes after it.",),
    ),
    "refactor": ItemText(
        "which structure changes, and what is better afterwards",
        "Change the structure that the title names and no behaviour.",
        ("All tests pass, and none of them was changed.",),
    ),
    "security": ItemText(
        "who attacks, what they reach, and which way they take",
        "Play the attack in a test, close the way, and look for its relatives.",
        ("A test plays the attack, and it has no effect.",),
    ),
    "finding": ItemText(
        "what was found, where, and why it is wrong",
        "Correct what was found at its cause.",
        ("What was found is found no more by the same check.",),
    ),
}
_KINDS = {"bug": "bugfix", "threat": "security", "requirement": "feature", "finding": "finding"}
_DEFAULT = ItemText("what is to be done, and why", "", ())


def text_for(kind: str, tags: Iterable[str] = ()) -> ItemText:
    """The text of a kind; of a task that of its first tag that has one."""
    names = [_KINDS.get(kind, ""), *(tag.lower() for tag in tags), *(_KINDS.get(tag.lower(), "") for tag in tags)]
    return next((TEXTS[name] for name in names if name in TEXTS), _DEFAULT)


def missing(item: Described) -> dict[str, str]:
    """What the item does not say and has to before work on it begins, with what belongs there. A milestone is its items."""
    if item.kind == "milestone":
        return {}
    text = text_for(item.kind, item.tags)
    wanted = {
        "title": (len(item.title) >= TITLE_LEAST, "a line that says what it is about"),
        "body": (len(item.body) >= BODY_LEAST, text.asks),
        "criteria": (bool(item.criteria), text.criteria[0] if text.criteria else "how anyone sees that it is done"),
    }
    return {name: what for name, (is_there, what) in wanted.items() if not is_there}


def filled(item: Described) -> dict[str, Any]:
    """What is missing, as the text of the item's kind has it; nothing for a task that has no such text."""
    text = text_for(item.kind, item.tags)
    texts: dict[str, Any] = {"body": text.body, "criteria": text.criteria}
    return {name: texts[name] for name in missing(item) if texts.get(name)}
