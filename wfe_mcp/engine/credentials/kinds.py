"""The kinds of credentials: the parts of each, which of them are secret, and where a check finds them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.workspace.system.redaction import SHORTEST

KindName = Literal["token", "api_key", "oauth", "basic_auth", "ssh_key", "database", "certificate", "other"]

LONGEST = 65_536
"""Characters of a part: a chain of certificates has 20,000."""


class CredentialPart(NamedTuple):
    """A part of a credential. ``secret`` False: it may be shown where it is typed, never later. ``lines``: it may have several.

    ``holds``: a text that every such value contains. ``stays``: a rotation without it keeps it.
    """

    name: str
    secret: bool = True
    required: bool = True
    lines: bool = False
    holds: str = ""
    stays: bool = False


class Kind(NamedTuple):
    """A kind of credential. The first part is the one that a check finds at the very name that it gives the credential."""

    name: KindName
    parts: tuple[CredentialPart, ...]


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("token", (CredentialPart("token"),)),
        Kind("api_key", (CredentialPart("key"),)),
        Kind("oauth", (CredentialPart("token"), CredentialPart("refresh", required=False))),
        Kind("basic_auth", (CredentialPart("password"), CredentialPart("username", secret=False, stays=True))),
        Kind(
            "ssh_key",
            (CredentialPart("key", lines=True, holds="PRIVATE KEY-----"), CredentialPart("passphrase", required=False)),
        ),
        Kind("database", (CredentialPart("url", holds="://"),)),
        Kind(
            "certificate",
            (
                CredentialPart("key", lines=True, holds="PRIVATE KEY-----"),
                CredentialPart("certificate", secret=False, lines=True, holds="BEGIN CERTIFICATE"),
            ),
        ),
        Kind("other", (CredentialPart("value", lines=True),)),
    )
}
assert set(KINDS) == set(get_args(KindName)), "each kind has its parts"


def kind_of(name: str) -> Kind:
    """The kind ``name``. Refuses ``bad_argument`` with the nearest one."""
    if name in KINDS:
        return KINDS[name]
    raise Refused(
        "bad_argument", f"There is no kind {name!r} of credentials.", nearest_hint(name, KINDS, f"{', '.join(KINDS)}.")
    )


def checked_parts(kind: Kind, given: Mapping[str, str], kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """The parts of a credential, from ``given``, and from ``kept``, those before a rotation. Refuses a missing or wrong one.

    No value is repeated in a refusal.
    """
    known = {part.name: part for part in kind.parts}
    for name in given:
        if name not in known:
            hint = nearest_hint(name, known, f"A {kind.name} has: {', '.join(known)}.")
            raise Refused("bad_argument", f"A {kind.name} has no {name!r}.", hint)
    parts: dict[str, str] = {}
    for part in kind.parts:
        value = given.get(part.name, "")
        value = value if part.lines else value.strip()
        if not value.strip() and part.stays and kept:
            value = kept.get(part.name, "")
        if not value.strip():
            if part.required:
                raise Refused("bad_argument", f"The {part.name} is missing.", _GIVE.format(part.name))
            continue
        if fault := _fault(part, value):
            raise Refused("bad_argument", f"The {part.name} {fault}.", f"Nothing was stored: give another {part.name}.")
        parts[part.name] = value
    return parts


_GIVE = "Type it when you are asked, or give it as --from-file {}=PATH."


def _fault(part: CredentialPart, value: str) -> str:
    if len(value) > LONGEST:
        return f"has more than {LONGEST} characters"
    if part.secret and len(value.strip()) < SHORTEST:
        return f"has fewer than {SHORTEST} characters, too few to be kept out of logs"
    if not part.lines and not value.isprintable():
        return "has more than one line, or control characters"
    if "\0" in value:
        return "has a NUL character"
    if part.holds not in value:
        return f"has no {part.holds!r} in it"
    return ""


def targets(name: str, kind: Kind, values: Mapping[str, str], wanted: str) -> dict[str, str]:
    """Where each part goes: part → ``VARIABLE`` or ``file:VARIABLE``. Refuses a part that this credential does not have.

    ``wanted``: a target for the first part, and the others are beside it (``DB`` for the password of a basic_auth, and
    ``DB_USERNAME``); or ``part=TARGET`` for each.
    """
    if "=" not in wanted:
        first = kind.parts[0].name
        return {part: wanted if part == first else f"{wanted}_{part.upper()}" for part in values}
    target_by_part = dict(word.split("=", 1) for word in wanted.split())
    for part in target_by_part:
        if part not in values:
            hint = nearest_hint(part, values, f"It has: {', '.join(values)}.")
            raise Refused("bad_argument", f"The credential {name!r} has no {part!r}.", hint)
    return target_by_part
