"""Facts and checks of a project: what its files say, and what a person says in their place.

1. A correction is in ``[facts]`` or ``[checks.…]`` of ``.wfe/config.toml``, written and trusted with the PIN. No scan changes it.
2. Without it, what is found holds again.
3. A run gets the corrections as they are when it starts: its prompts stay the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.engine.runs.policy import edit_policy_file, settings_written, write_trusted
from wfe_mcp.workspace.system.shell_words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.discovery.findings import ProjectFinding
    from wfe_mcp.workspace.discovery.project_facts import ProjectFacts

MOST_NAME, MOST_VALUE = 80, 300


@dataclass(frozen=True, slots=True)
class Fact:
    """``value``: what holds. ``found``: what the files say, empty where they say nothing. ``by_hand``: a person's."""

    name: str
    value: str
    found: str = ""
    by_hand: bool = False


def facts_of(engine: Engine, facts: ProjectFacts) -> tuple[Fact, ...]:
    """The facts as they hold: those of the files first, then what a person added."""
    from wfe_mcp.workspace.discovery.project_facts import named_facts

    named, own = named_facts(facts), engine.settings().settings.facts
    return tuple(
        Fact(name, own.get(name, named.get(name, "")), named.get(name, ""), name in own) for name in {**named, **own}
    )


def findings_of(engine: Engine, facts: ProjectFacts) -> tuple[ProjectFinding, ...]:
    """The findings, where a person's word for a kind replaces all of that kind; its reason is the line of the configuration."""
    from wfe_mcp.workspace.discovery.findings import ProjectFinding
    from wfe_mcp.workspace.discovery.values import line_of

    own, file = engine.settings().settings.facts, engine.root / ".wfe" / "config.toml"
    text = file.read_text(encoding="utf-8", errors="replace") if own and file.is_file() else ""
    corrected = (
        ProjectFinding(name, value, ".wfe/config.toml", line_of(text, ("facts", name), ""), "person")
        for name, value in own.items()
    )
    return (*corrected, *(finding for finding in facts.findings if finding.kind not in own))


def correct_fact(engine: Engine, by: By, name: str, value: str | None) -> None:
    """Say that ``name`` is ``value``; None undoes the correction.

    Refuses ``needs_human``, ``bad_argument`` (no single line, too long, nothing to undo), and what ``edit_policy_file`` refuses.
    """
    if not by.is_human:
        raise Refused(
            "needs_human", "Only a person corrects a fact.", "Ask the user to run: wfe-mcp config fact NAME VALUE"
        )
    own = refuse_correction(engine, name, value)
    if own.get(name) != value:
        write_trusted(engine, by, edit_policy_file(engine, ("facts", name, own.get(name), value)))


def refuse_correction(engine: Engine, name: str, value: str | None) -> Mapping[str, str]:
    """Refuse what ``correct_fact`` refuses of anyone: no single line, too long, nothing to undo. Else the corrections there are."""
    for what, text, most in (("name", name, MOST_NAME), ("value", value, MOST_VALUE)):
        if text is not None and not (text.strip() and text.isprintable() and len(text) <= most):
            raise Refused(
                "bad_argument",
                f"The {what} of a fact is one line of 1 to {most} characters, not {text[:most]!r}.",
                "Shorten it to one line.",
            )
    own = settings_written(engine).facts
    if value is None and name not in own:
        hint = nearest_hint(name, own, "List them: wfe-mcp project show")
        raise Refused("bad_argument", f"There is no correction of {name!r} in .wfe/config.toml.", hint)
    return own


def correct_check(engine: Engine, by: By, name: str, command: str) -> tuple[str, ...]:
    """Say that the check ``name`` runs ``command``, whose other keys stay; its words.

    Refuses ``needs_human``, ``bad_argument`` (a name or a command that a check cannot have), and what ``edit_policy_file`` refuses.
    """
    if not by.is_human:
        raise Refused(
            "needs_human", "Only a person corrects a check.", "Ask the user to run: wfe-mcp config check NAME COMMAND"
        )
    from wfe_mcp.workspace.config.settings import refuse_faults

    try:
        words = words_of(command, windows=os.name == "nt")
    except ValueError as error:
        raise Refused("bad_argument", f"The command cannot be read: {error}.", "Quote each word whole.") from None
    refuse_faults("checks", name, {"argv": words})
    held = settings_written(engine).checks.get(name)
    if held is None or held.argv != words:
        write_trusted(engine, by, edit_policy_file(engine, (f"checks.{name}", "argv", None, words)))
    return tuple(words)
