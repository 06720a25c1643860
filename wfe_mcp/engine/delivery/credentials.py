"""The credential of deliveries: read by name at the moment of the call, and given to nothing that an agent starts."""

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.engine.credentials.stored import Use, hand_out
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.secrets import key_of


def token_of(engine: Engine, name: str, run: RunId | None) -> str:
    """The token that ``[delivery] credential`` names. Raises DeliveryFault ``credentials``: it is not there, or has expired.

    ``env:NAME`` is a variable of this process, as on a runner; the agent that starts the server has it too. The token is
    kept from every later message of this process.
    """
    try:
        if name.startswith("env:"):
            return key_of(engine, name, name)
        return hand_out(engine, [name], Use("delivery", run))[name].value
    except Refused as refused:
        hint = refused.hint or ""
        raise DeliveryFault(f"{refused.message} {hint}; then retry the phase.".strip(), "credentials") from refused
