"""What a work item of a kind says before the work begins, and the text of its kind for what was left out.

    bugfix     bug                  feature    requirement
    security   threat               refactor   a task with that tag
    finding    finding

A tag of that name chooses for a task, too. A task without such a tag has no text of its own: only its author can say it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


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
