"""Where do the shipped templates and schemas lie? Beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """The folder ``templates`` or ``schemas``: the wheel's copy, else the checkout's."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent / name
