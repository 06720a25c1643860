"""The parts of an expression while it is translated."""

import json
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.importers.afu9_methods import Kind

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Node:
    """CEL of a part; ``path``: it is a name of the workflow, not looked up yet. ``pieces``: a text in parts."""

    cel: str
    kind: Kind = "any"
    path: str = ""
    pieces: tuple[tuple[str, bool], ...] = ()


def pieces_of(node: Node) -> tuple[tuple[str, bool], ...]:
    """The parts of a text; of anything else, itself."""
    return node.pieces or ((node.cel, True),)


def text_of(pieces: tuple[tuple[str, bool], ...]) -> Node:
    """A text made of parts. Alone in a value it is written in its parts, inside CEL as a sum of texts."""
    parts = tuple(piece for piece in pieces if piece[0])
    quoted: Callable[[str, bool], str] = lambda text, is_cel: f"string({text})" if is_cel else json.dumps(text)  # noqa: E731
    cel = " + ".join(quoted(text, is_cel) for text, is_cel in parts) or '""'
    return Node(f"({cel})" if len(parts) > 1 else cel, "text", pieces=parts or (("", False),))
