"""Standing grants as they are shown: before a person signs one, in a list, and where one approves."""

from datetime import datetime
from functools import partial

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.model import By
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.grants.facts import NotGranted, caller_of, is_about, take_use, why_not
from wfe_mcp.engine.grants.grants import Grant, GrantUse, grant_named, grants_of, uses_of
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.shown import SeenDecision, open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.values.model import view_model, view_of
from wfe_mcp.workspace.system.shell_words import shell_word

NEVER = (
    "Never: steps; gates with a phrase, for a passkey or several people.",
    "Never: what is unusual; tests and other definitions of checks; unknown changes.",
    "Never: what was left out, sent back or withdrawn; open questions.",
    "Never: once a run of the template was cancelled after you signed.",
)
NOT_DELIVERED = "What it approves is not delivered: the merge wants a decision of your own."


@view_model
class GrantUseLine:
    """One use of a grant."""

    number: int
    run: str
    phase: str
    attempt: int
    at: str


@view_model
class GrantLine:
    """A standing grant. ``state``: live, ended, expired or used up; ``used``: how often; ``approvals``: what it gave, first to last."""

    id: str
    template: str
    template_sha256: str
    phase: str
    when: str
    uses: int
    used: int
    state: str
    actor: str
    assurance: str
    given_at: str
    expires_at: str
    ended_at: str = ""
    approvals: tuple[GrantUseLine, ...] = ()


@view_model
class GrantList:
    """The standing grants of a project, newest first."""

    grants: tuple[GrantLine, ...]


@view_model
class UnsignedGrant:
    """A grant that no one has signed: what a person reads before they do. ``shown``: sha256 of that; ``command``: the same at a terminal."""

    words: tuple[str, ...]
    expires_at: str
    shown: str
    command: str


def unsigned_grant(draft: Grant) -> UnsignedGrant:
    """``draft`` before it is signed."""
    length = datetime.fromisoformat(draft.expires_at) - datetime.fromisoformat(draft.given_at)
    what = f"{draft.template} {draft.phase} --when {shell_word(draft.when)} --uses {draft.uses}"
    return UnsignedGrant(
        words=words_of(draft),
        expires_at=draft.expires_at,
        shown=seen_sha256(draft),
        command=f"wfe-mcp grant add {what} --expires {round(length.total_seconds() / 60) or 1}m",
    )


def grant_list(engine: Engine) -> GrantList:
    """Those of the project of ``engine``."""
    now = engine.clock()
    with engine.store.read() as tx:
        rows = [(grant, uses_of(tx, engine.project_id, grant.id)) for grant in grants_of(tx, engine.project_id)]
    return GrantList(grants=tuple(_line(grant, uses, grant.state(len(uses), now)) for grant, uses in reversed(rows)))


def grant_shown(engine: Engine, id_: str) -> tuple[GrantLine, tuple[str, ...]]:
    """One grant, and what the person read before they signed it. Refuses an unknown one."""
    with engine.store.read() as tx:
        grant = grant_named(tx, engine.project_id, id_)
        uses = uses_of(tx, engine.project_id, id_)
    return _line(grant, uses, grant.state(len(uses), engine.clock())), words_of(grant)


def _line(grant: Grant, uses: list[GrantUse], state: str) -> GrantLine:
    lines = tuple(view_of(GrantUseLine, use) for use in uses)
    return view_of(GrantLine, grant, used=len(uses), state=state, approvals=lines)


def words_of(draft: Grant) -> tuple[str, ...]:
    """What a person reads before they sign ``draft``."""
    times = "once" if draft.uses == 1 else f"up to {draft.uses} times"
    return (
        f"Approve {draft.phase} of {draft.template} ({draft.template_sha256[:12]}) for you, {times},",
        f"until {draft.expires_at},",
        f"where {draft.when}",
        *NEVER,
        NOT_DELIVERED,
    )


def seen_sha256(draft: Grant) -> str:
    """Names what the person read, in what they sign."""
    return sha256_of([*words_of(draft)])


def approve_by_grant(engine: Engine, run: str, phase: str, sha256: str = "") -> tuple[By | None, dict[str, str]]:
    """Approve the open revision of ``phase`` by the first grant that does; else why each of those about the phase does not.

    Refuses as ``decide``: the files may have changed since the gates judged them.
    """
    with engine.store.read() as tx:
        loaded, now = engine.load(tx, run), engine.clock()
        about = [grant for grant in grants_of(tx, engine.project_id) if is_about(grant, loaded, phase)]
        states = [grant.state(len(uses_of(tx, engine.project_id, grant.id)), now) for grant in about]
    grants = [grant for grant, state in zip(about, states, strict=True) if state == "live"]
    # Of those that are over, the newest: the person may think that it is still there.
    reasons = {} if grants or not about else {about[-1].id: f"it is {states[-1]}"}
    shown = open_approval(engine, overview_of(engine, run), phase) if grants else None
    if shown is None:
        return None, reasons
    seen = SeenDecision(engine, shown)
    for grant in grants:
        reason = why_not(grant, seen.values)
        if not reason:
            by, use = caller_of(grant), partial(take_use, grant, seen.sha256)
            try:
                approvals.decide(engine, by, loaded.record.id, phase, sha256=sha256 or None, approval=seen, grant=use)
            except NotGranted as no:
                reason = str(no)
            else:
                return by, {}
        reasons[grant.id] = reason
    return None, reasons
