"""Operations on credentials: names and dates are shown, values only taken. Each change needs the PIN of the person at the page."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Manages, Reads
from wfe_mcp.dashboard.api.bodies import SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, view_reply
from wfe_mcp.engine.credentials import stored
from wfe_mcp.engine.credentials.kinds import LONGEST
from wfe_mcp.engine.phases.waiting import continue_waiting
from wfe_mcp.engine.webhooks.signing import rotate_credential
from wfe_mcp.views.project.credentials import CredentialsView, CredentialView, credential_view, credentials_view

router = APIRouter()

Values = Annotated[
    dict[str, Annotated[str, Field(max_length=LONGEST)]],
    Field(description="the parts of the credential, by name; no answer has them"),
]
Whose = Literal["project", "person"]


class DeletedCredential(SignedOfProject):
    """Whose credential it is; without it the one that counts."""

    scope: Whose | None = None


class RotatedCredential(DeletedCredential):
    """The new values. ``expires``: a duration or a date; empty: no end is known."""

    values: Values
    expires: str = Field("", max_length=40)


class NewCredential(RotatedCredential):
    """A credential to store."""

    name: str = Field(max_length=64)
    kind: str = "token"
    kept_in: Literal["keyring", "stored"] = "stored"


@router.get("/credentials", response_model=answer_of(CredentialsView), tags=["settings"])
def list_credentials(caller: Reads, project: str = "") -> JSONResponse:
    """The credentials that count in a project: names, kinds, expiry, and what got them. Never a value."""
    view = credentials_view(caller.engine(project))
    return view_reply(plural(len(view.credentials), "credential"), view)


@router.post("/credentials", response_model=answer_of(CredentialView), tags=["settings"])
def new_credential(caller: Manages, body: NewCredential) -> JSONResponse:
    """Store a credential, with the PIN."""
    engine = caller.engine(body.project)
    ends, by = stored.expiry_of(body.expires, engine.clock()), caller.person(engine, body.pin)
    scope, kept_in = body.scope or "project", body.kept_in
    credential = stored.add_credential(
        engine, by, body.name, body.kind, body.values, scope=scope, kept_in=kept_in, expires_at=ends
    )
    continue_waiting(engine)
    return view_reply(f"Stored the {credential.kind} {credential.name}", credential_view(engine, credential))


@router.post("/credentials/{name}/rotate", response_model=answer_of(CredentialView), tags=["settings"])
def new_value(caller: Manages, name: str, body: RotatedCredential) -> JSONResponse:
    """Replace the values of a credential, with the PIN."""
    engine = caller.engine(body.project)
    known, ends = stored.credential(engine, name, body.scope), stored.expiry_of(body.expires, engine.clock())
    by = caller.person(engine, body.pin)
    credential = rotate_credential(engine, by, name, body.values, scope=known.scope, expires_at=ends)
    continue_waiting(engine)
    return view_reply(f"Rotated the {credential.kind} {name}", credential_view(engine, credential))


@router.post("/credentials/{name}/delete", response_model=answer_of(CredentialView), tags=["settings"])
def no_credential(caller: Manages, name: str, body: DeletedCredential) -> JSONResponse:
    """Delete a credential, with the PIN."""
    engine = caller.engine(body.project)
    credential = stored.credential(engine, name, body.scope, stored.ALREADY_GONE)
    gone = stored.delete_credential(engine, caller.person(engine, body.pin), name, scope=credential.scope)
    return view_reply(f"Deleted the {gone.kind} {name}", credential_view(engine, gone))
