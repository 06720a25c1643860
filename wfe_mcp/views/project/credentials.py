"""Views of credentials: names, kinds, dates and uses. Never a value."""

from collections.abc import Mapping

from wfe_mcp.engine.credentials.kinds import KINDS
from wfe_mcp.engine.credentials.stored import Credential, credentials
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.webhooks.signing import credential_of
from wfe_mcp.views.values.model import second, view_model, view_of


@view_model
class CredentialUse:
    """What a credential was handed to, and when last."""

    to: str
    at: str


@view_model
class CredentialView:
    """A credential. ``scope``: whose, ``project`` or ``person``; ``state``: ``valid``, ``expires soon`` or ``expired``.

    ``given_to``: the checks, addresses and tables of trusted configuration that get it. ``used``: the newest first.
    """

    name: str
    kind: str
    scope: str
    kept_in: str
    parts: tuple[str, ...]
    state: str
    created_at: str
    rotated_at: str = ""
    expires_at: str = ""
    given_to: tuple[str, ...] = ()
    used: tuple[CredentialUse, ...] = ()


@view_model
class KindPart:
    """A part of a kind of credential, as in ``CredentialPart``."""

    name: str
    secret: bool
    required: bool
    lines: bool


@view_model
class CredentialsView:
    """The credentials that count in a project. ``kinds``: the parts of each kind."""

    credentials: tuple[CredentialView, ...]
    kinds: Mapping[str, tuple[KindPart, ...]]


def credentials_view(engine: Engine) -> CredentialsView:
    """The credentials that count in the project of ``engine``."""
    return CredentialsView(
        credentials=tuple(credential_view(engine, credential) for credential in credentials(engine)),
        kinds={kind.name: tuple(view_of(KindPart, part) for part in kind.parts) for kind in KINDS.values()},
    )


def credential_view(engine: Engine, credential: Credential) -> CredentialView:
    """One credential."""
    settings = engine.settings().settings
    named = [f"check {name}" for name, check in settings.checks.items() if credential.name in check.credentials]
    environments = settings.environments.items()
    named += [f"environment {name}" for name, place in environments if credential.name in place.credentials]
    named += [
        f"http steps at {origin}"
        for origin, login in settings.http.logins.items()
        if login.split()[0] == credential.name
    ]
    hooks = (*settings.webhooks.items(), *settings.incoming.items())
    named += [f"{hook.signs} {name}" for name, hook in hooks if credential_of(name, hook) == credential.name]
    oidc = settings.server.login
    others = {
        "[delivery]": settings.delivery.credential == credential.name,
        "[notify]": credential.name in settings.notify.apprise,
        "[server.login]": oidc is not None and oidc.secret == credential.name,
    }
    named += [table for table, gets in others.items() if gets]
    return view_of(
        CredentialView,
        credential,
        state=credential.state(engine.clock()),
        given_to=tuple(named),
        used=tuple(CredentialUse(to=to, at=second(at)) for to, at in credential.used.items()),
    )
