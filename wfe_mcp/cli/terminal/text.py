"""Short forms of text for a terminal."""


def shortened(text: str, most: int) -> str:
    """The first line of ``text``, at most ``most`` characters."""
    first, _, more = text.strip().partition("\n")
    cut = len(first) > most or bool(more)
    return f"{first[: most - 1].rstrip()}…" if cut else first


def indented(text: str) -> str:
    """Each line of ``text``, indented below what it belongs to."""
    return "\n".join(f"     {line}".rstrip() for line in text.rstrip().splitlines())
