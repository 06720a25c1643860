"""Tables of names, written as text."""


def words(text: str) -> tuple[str, ...]:
    """The words of ``text``, in their order."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())
