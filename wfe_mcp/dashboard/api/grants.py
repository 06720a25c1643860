"""Operations on standing grants: what a person lets the server approve, decided beforehand."""

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Manages, Reads
from wfe_mcp.dashboard.api.bodies import OfProject, Pin, SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, view_reply
from wfe_mcp.engine.grants.drafts import MOST_DAYS, draft_grant
from wfe_mcp.engine.grants.grants import end_grant, give_grant
from wfe_mcp.views.approvals.grants import GrantList, UnsignedGrant, grant_list, seen_sha256, unsigned_grant

router = APIRouter(tags=["grants"])


class _Wanted(OfProject):
    template: str = Field(max_length=200)
    phase: str = Field(max_length=200)
    when: str = Field(max_length=4000, description="a condition: ${size(change.files) <= 3}")
    uses: int = 1


class GrantDraft(_Wanted):
    """A grant that is wanted. ``minutes``: how long it is valid."""

    minutes: int = Field(480, ge=1, le=MOST_DAYS * 1440)


class NewGrant(_Wanted):
    """A grant as it was shown. ``shown``: the sha256 of what was read."""

    expires_at: AwareDatetime
    shown: str = Field(max_length=64)
    pin: Pin = ""


class EndedGrant(SignedOfProject):
    """The grant that ends."""

    id: str = Field(max_length=20)


@router.get("/grants", response_model=answer_of(GrantList))
def list_grants(caller: Reads, project: str = "") -> JSONResponse:
    """The standing grants of a project, newest first, with each approval that they gave."""
    view = grant_list(caller.engine(project))
    return view_reply(plural(len(view.grants), "grant"), view)


@router.post("/grants/draft", response_model=answer_of(UnsignedGrant))
def draft(caller: Manages, body: GrantDraft) -> JSONResponse:
    """What a person reads before they sign a grant; nothing is kept."""
    engine = caller.engine(body.project)
    until = engine.clock() + timedelta(minutes=body.minutes)
    return view_reply(
        "Not signed yet", unsigned_grant(draft_grant(engine, body.template, body.phase, body.when, body.uses, until))
    )


@router.post("/grants", response_model=answer_of(GrantList))
def give(caller: Manages, body: NewGrant) -> JSONResponse:
    """Give a grant as it was shown, with the PIN."""
    engine = caller.engine(body.project)
    person = caller.person(engine, body.pin)
    drafted = draft_grant(engine, body.template, body.phase, body.when, body.uses, body.expires_at)
    if seen_sha256(drafted) != body.shown:
        raise Refused("stale_revision", "The template has changed since you looked.", "Look at the grant once more.")
    grant = give_grant(engine, person, drafted, body.shown)
    return view_reply(f"Gave grant {grant.id}", grant_list(engine))


@router.post("/grants/end", response_model=answer_of(GrantList))
def end(caller: Manages, body: EndedGrant) -> JSONResponse:
    """End a grant now, with the PIN. What it approved stays approved."""
    engine = caller.engine(body.project)
    end_grant(engine, caller.person(engine, body.pin), body.id)
    return view_reply(f"Ended grant {body.id}", grant_list(engine))
