"""Where the manual provider keeps its files. Apart from it, because a status names them and needs nothing else of it."""


def places_of(attempt: str) -> tuple[str, tuple[str, str]]:
    """The path of an attempt's prompt, and the paths where its answer may be saved. ``attempt``: its folder."""
    return f"{attempt}/manual/prompt.md", (f"{attempt}/manual/answer.json", f"{attempt}/manual/answer.md")
