"""Paths of phases among loops.

    build              at the top: the same in the template and in a run
    build.code         in the template: inside the loop ``build``
    build[T-1].code    in a run: inside its item ``T-1``

A phase of a run refers to those of its own item, and to those around its loops. Ids and keys hold no dot and no bracket.
"""

import re
from collections.abc import Iterator
from typing import NewType

PhasePath = NewType("PhasePath", str)
"""A phase in a template or in a run."""

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What an item's key looks like: it is part of paths and names folders."""

_ITEM = re.compile(r"\[[^\]]*\]")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_windows_device(name: str) -> bool:
    """Whether Windows has a device of this name, and so no file or folder."""
    return _WINDOWS_DEVICE.fullmatch(name) is not None


def declared_path(path: PhasePath) -> PhasePath:
    """The path in the template: ``build[T-1].code`` is ``build.code`` there."""
    return PhasePath(_ITEM.sub("", path)) if "[" in path else path


def name_of(path: PhasePath) -> str:
    """The phase's own id."""
    return path.rpartition(".")[2]


def item_of(path: PhasePath) -> tuple[PhasePath, str] | None:
    """The loop and the item's key around the phase of a run; None at the top."""
    place = path.rpartition(".")[0]
    if not place:
        return None
    loop, _, key = place.rpartition("[")
    return PhasePath(loop), key.removesuffix("]")


def items_around(path: PhasePath) -> Iterator[tuple[PhasePath, str]]:
    """Each loop and item's key around the phase of a run, the nearest first."""
    while item := item_of(path):
        yield item
        path = item[0]


def inside(loop: PhasePath, key: str, phase: PhasePath) -> PhasePath:
    """The run path of ``phase`` (of the template) in the item ``key``."""
    return PhasePath(f"{loop}[{key}].{name_of(phase)}")


def seen_from(path: PhasePath, phase: PhasePath) -> PhasePath:
    """The run path of ``phase`` (of the template) that the phase at ``path`` means: in its own item, or around it."""
    depth = phase.count(".")
    return PhasePath(".".join([*path.split(".")[:depth], name_of(phase)]))


def shell_path(path: str) -> str:
    """The path as one types it at a shell: brackets are quoted, or the shell would look for files."""
    return f"'{path}'" if "[" in path else path


def beside(path: PhasePath, target: PhasePath) -> PhasePath:
    """The neighbour of ``target`` that is or contains ``path``: itself, or a loop around it."""
    place = path.split(".")[target.count(".")]
    return PhasePath(".".join([*path.split(".")[: target.count(".")], place.partition("[")[0]]))
