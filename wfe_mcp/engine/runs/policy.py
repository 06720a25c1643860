"""The approval policy of a project: what agents may start, the least evidence of checks, changed files of accepted artifacts.

1. It is in ``.wfe/config.toml``. A change is shown first (``plan_policy_change``), then written and trusted at once (``change_policy``).
2. A change is made only to a file that is trusted as it is: no one signs anything beside the policy with it.
3. What the user's own configuration or a variable asks for holds too, so the policy in force may be stricter than the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.evidence_levels import LEVELS, Level
from wfe_mcp.workspace.config.layers import CONFIG_FILE
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.config.settings_tables import Settings

OnMismatch = Literal["block", "warn"]
ANY = "any"
"""The word for no list of templates, and for no least level of evidence."""


@dataclass(frozen=True, slots=True)
class Policy:
    """``templates``: those that an agent may start, None is every one. ``evidence``: the least level, None is any."""

    templates: tuple[str, ...] | None = None
    evidence: Level | None = None
    on_mismatch: OnMismatch = "block"


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One key whose value changes, in words. ``weakens``: agents may do more, or less proof is asked for."""

    key: str
    was: str
    now: str
    weakens: bool


@dataclass(frozen=True, slots=True)
class PlannedPolicy:
    """``text``: the whole file as it would be. ``changes``: empty where it is so already."""

    before: Policy
    after: Policy
    changes: tuple[PolicyChange, ...]
    text: str


def policy_in_force(engine: Engine) -> Policy:
    """What holds in the project now, after every layer."""
    return _policy(engine.settings().settings)


def policy_written(engine: Engine) -> Policy:
    """What the project's own file says."""
    return _policy(settings_written(engine))


def plan_policy_change(engine: Engine, after: Policy) -> PlannedPolicy:
    """The change of the project's file that makes ``after`` its policy. Writes nothing.

    Refuses ``bad_argument`` (an unknown template), ``needs_trust`` (the file is not trusted as it is) and ``conflict``
    (a table of the file cannot be edited line by line).
    """
    _refuse_unknown(engine, after)
    before = policy_written(engine)
    text = edit_policy_file(
        engine,
        ("policy", "templates", before.templates, None if after.templates is None else list(after.templates)),
        ("policy", "evidence", before.evidence, after.evidence),
        ("artifacts", "on_mismatch", before.on_mismatch, after.on_mismatch),
    )
    return PlannedPolicy(before, after, tuple(_changes(before, after)), text)


def change_policy(engine: Engine, by: By, plan: PlannedPolicy, seen: str = "") -> Policy:
    """Write ``plan`` and trust the file with it; the policy in force then. Refuses ``needs_human``: only a person may.

    ``seen``: the sha256 of what the person was shown; their signature covers it. Refuses ``stale_revision``: the file is
    another one now.
    """
    if not by.is_human:
        raise Refused(
            "needs_human", "Only a person changes the approval policy.", "Ask the user to run: wfe-mcp config policy"
        )
    if plan_policy_change(engine, plan.after) != plan:
        raise Refused("stale_revision", f"{CONFIG_FILE} has changed since you looked.", "Look at the change once more.")
    if plan.changes:
        write_trusted(engine, by, plan.text, seen)
    return policy_in_force(engine)


def settings_written(engine: Engine) -> Settings:
    """What the project's own file says, without any other layer."""
    from wfe_mcp.workspace.config.settings import settings_alone

    return settings_alone((_text(engine) or "").encode(), str(engine.root / CONFIG_FILE))[0]


def edit_policy_file(engine: Engine, *values: tuple[str, str, object, object]) -> str:
    """The project's file with ``values`` (table, key, before, now) changed; None: without the key. Writes nothing.

    Refuses ``needs_trust`` (the file is not trusted as it is) and ``conflict`` (a table cannot be edited line by line).
    """
    from wfe_mcp.workspace.config.config_file import NEW_CONFIG
    from wfe_mcp.workspace.config.toml_tables import NotEditable, with_value, without_value

    if engine.settings().untrusted:
        raise Refused(
            "needs_trust",
            f"{CONFIG_FILE} has changes that you have not trusted, so it stays as it is.",
            "Review them first: wfe-mcp trust",
        )
    text = _text(engine)
    text_after = NEW_CONFIG if text is None else text
    try:
        for path, key, was, now in values:
            if now is None:
                text_after = text_after if was is None else without_value(text_after, tuple(path.split(".")), key)
            elif now != (list(cast("tuple[object, ...]", was)) if isinstance(was, tuple) else was):
                text_after = with_value(text_after, tuple(path.split(".")), key, now)
    except NotEditable as error:
        tables = " and ".join(sorted({f"[{table}]" for table, *_ in values}, reverse=True))
        raise Refused(
            "conflict",
            f"{CONFIG_FILE} was left as it is: {error}.",
            f"Change {tables} in an editor, then run: wfe-mcp trust",
        ) from error
    return text_after


def write_trusted(engine: Engine, by: By, text: str, seen: str = "") -> None:
    """Write the project's file and trust it as it is then. ``seen``: the sha256 of what the person was shown."""
    from wfe_mcp.engine.templates.trust import give_trust, pending_trust

    write_gitignore(engine.root)
    write_atomic(engine.root, CONFIG_FILE, text)
    waiting = [trust for trust in pending_trust(engine, again=True) if trust.kind == "configuration"]
    if waiting:
        give_trust(engine, by, [trust.name for trust in waiting], waiting, own=False, seen=seen)


def _changes(before: Policy, after: Policy) -> list[PolicyChange]:
    was, now = before.templates, after.templates
    asked = [0 if policy.evidence is None else LEVELS.index(policy.evidence) for policy in (before, after)]
    changes = (
        PolicyChange(
            "policy.templates",
            _template_names(was),
            _template_names(now),
            was is not None and (now is None or not set(now) <= set(was)),
        ),
        PolicyChange("policy.evidence", before.evidence or ANY, after.evidence or ANY, asked[1] < asked[0]),
        PolicyChange("artifacts.on_mismatch", before.on_mismatch, after.on_mismatch, after.on_mismatch == "warn"),
    )
    return [change for change in changes if change.was != change.now]


def _template_names(templates: tuple[str, ...] | None) -> str:
    return ANY if templates is None else ", ".join(templates) or "none"


def _refuse_unknown(engine: Engine, after: Policy) -> None:
    from wfe_mcp.engine.templates.catalogue import offers

    known = [offer.name for offer in offers(engine)]
    for name in after.templates or ():
        if name not in known:
            hint = nearest_hint(name, known, "List them: wfe-mcp templates list")
            raise Refused("bad_argument", f"There is no template {name!r}.", hint)


def _policy(settings: Settings) -> Policy:
    allowed = settings.policy.templates
    return Policy(None if allowed is None else tuple(allowed), settings.policy.evidence, settings.artifacts.on_mismatch)


def _text(engine: Engine) -> str | None:
    """The project's file; None without one."""
    content: Any = read_if_there(engine.root, CONFIG_FILE)
    return None if content is None else content.decode(errors="replace")
