"""The credential of deliveries: stored by name, read at the moment of the call, and given to nothing that an agent starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.engine.models.secrets import KeptIn, forget_key, is_there, keep_key, key_of

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine

PLACES: tuple[KeptIn, ...] = ("stored", "keyring")


def token_of(engine: Engine, name: str) -> str:
    """The token that ``[delivery] credential`` names. Raises DeliveryFault ``credentials``: it is not there.

    ``env:NAME`` is a variable of this process, as on a runner; the agent that starts the server has it too. The token is
    kept from every later message of this process.
    """
    places = (name,) if name.startswith("env:") else PLACES
    place = next((each for each in places if is_there(engine, _key(name), each)), None)
    try:
        if place is not None:
            return key_of(engine, _key(name), place)
    except Refused as refused:
        raise DeliveryFault(f"{refused.message} {refused.hint}".strip(), "credentials") from refused
    raise DeliveryFault(
        f"The credential {name!r} that [delivery] names is not stored. Store it: wfe-mcp config credential {name}; then retry the phase.",
        "credentials",
    )


def keep_token(engine: Engine, by: By, name: str, token: str, place: KeptIn) -> None:
    """Store the token ``name`` at ``place`` and nowhere else. Refuses what is no token, and a keyring that keeps none."""
    keep_key(engine, by, _key(name), token, place)
    for other in PLACES:
        if other != place and is_there(engine, _key(name), other):
            forget_key(engine, by, _key(name), other)


def forget_token(engine: Engine, by: By, name: str) -> bool:
    """Remove the token ``name`` from where it is stored; True when there was one."""
    there = [each for each in PLACES if is_there(engine, _key(name), each)]
    for place in there:
        forget_key(engine, by, _key(name), place)
    return bool(there)


def _key(name: str) -> str:
    """No provider has a name with a slash, so that no provider is ever given this."""
    return f"delivery/{name}"
