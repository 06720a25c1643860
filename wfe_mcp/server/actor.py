"""The actor of a call: an agent with its client's name. The name proves nothing; the channel counts."""

from wfe_mcp.core.model import By

NAME_CHARS = 64


def by_name(client: str) -> By:
    """The actor for the name that a client gave itself; ``agent`` where nothing readable is left of it."""
    name = "".join(letter for letter in client if letter.isprintable())
    return By(name.strip()[:NAME_CHARS] or "agent")
