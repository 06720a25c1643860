"""The table ``[server]`` of config.toml: the address of ``wfe-mcp server``, how people log in to it, and what they may do."""

from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator

from wfe_mcp.workspace.config.checks import Name
from wfe_mcp.workspace.config.limit_tables import ServerLimits
from wfe_mcp.workspace.config.origins import is_loopback
from wfe_mcp.workspace.config.table import Table, optional, required_key

Role = Literal["reader", "author", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role includes those before it."""

EVERY_PROJECT = "*"


def _address(text: str, *, is_here: bool) -> str:
    parts = urlsplit(text)
    is_plain = bool(parts.netloc) and "@" not in parts.netloc and not (parts.query or parts.fragment)
    if is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_here)):
        return text.rstrip("/")
    raise ValueError("an https address without a question mark; http only for this machine, as http://localhost:8080")


def _issuer(text: str) -> str:
    """The secret is sent there: of a name below localhost a resolver could say that it is elsewhere."""
    return _address(text, is_here=is_loopback(text))


def _origin(text: str) -> str:
    is_here = is_loopback(text) or (urlsplit(text).hostname or "").endswith(".localhost")
    if text and urlsplit(_address(text, is_here=is_here)).path:
        raise ValueError("scheme and host alone: https://wfe.example")
    return text.rstrip("/")


class LoginSettings(Table):
    """``[server.login]``: the OpenID Connect provider that people log in with."""

    effect = "calls"

    issuer: Annotated[str, AfterValidator(_issuer)] = required_key(
        "The issuer, exactly as the provider says it: `https://id.example/realms/dev`. Its discovery document is read."
    )
    client_id: str = required_key("The id of this server at the provider, a confidential client.", effect="name")
    secret: str = optional(
        "", "The name of the stored credential with the secret of that client; without it, `WFE_OIDC_SECRET`."
    )
    scope: str = optional("openid profile", "What is asked for; some providers need `groups` for the groups.")
    groups_claim: str = optional("groups", "The claim of the ID token that lists the groups.", effect="form")
    name_claim: str = optional(
        "preferred_username", "The claim that names a person; without it `name`, then the subject.", effect="form"
    )


class ServerRole(Table):
    """One ``[server.roles.<name>]`` table: who has a role, and in which projects."""

    effect = "policy"

    role: Role = required_key(
        "`reader` looks; `author` does what an agent may, and has tokens of their own; `approver` decides, by passkey; "
        "`admin` saves templates, and sees and revokes the tokens of others."
    )
    groups: list[str] = optional([], "Groups of the provider, spelled exactly as it does.")
    people: list[str] = optional([], "Subjects of the provider (`wfe-mcp people list` shows them); never names.")
    projects: list[str] = optional(
        [], 'Ids or names of projects, or `"*"` for each. A name that two projects have counts for neither.'
    )


class ServerSettings(Table):
    """``[server]``: only in your own configuration, a project's does not count."""

    effect = "policy"

    origin: Annotated[str, AfterValidator(_origin)] = optional(
        "", "The address of the server in a browser, to which passkeys are bound: `https://wfe.example`.", effect="name"
    )
    workers: int = optional(
        1,
        "Processes that answer at its address, each on one core. `--workers` wins; above 1 not on Windows.",
        effect="limit",
        ge=1,
    )
    login: LoginSettings | None = optional(
        None, "How people log in; without it the server shows no page.", effect="calls"
    )
    roles: dict[Name, ServerRole] = optional({}, "Who may do what, by a name of yours.", noun="role")
    limits: ServerLimits = optional(
        ServerLimits(), "Runs, jobs and cost; what exceeds one is refused.", effect="limit", noun=""
    )
