"""Markdown as blocks of text, which each interface renders with its own means.

Rules:
1. Nothing that an agent wrote is hidden: HTML is text, link definitions and titles are text, entities stay as written,
   and a link or an image shows its address. What the parser leaves out, nesting too deep and cells beyond a table's header,
   makes the whole text be shown as it was written.
2. Nothing is active: there are no links, images or HTML, only text with a style.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.rules_block import StateBlock
    from markdown_it.tree import SyntaxTreeNode

Style = Literal["", "code", "strong", "em", "s"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A title of level 1 to 6."""

    level: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that flow together; a line break in a span is a hard one."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are shown as they are. ``info``: the language, or whatever else the author wrote there."""

    text: str
    info: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; ``start`` is the first number of a numbered one, None for bullets."""

    items: tuple[tuple[Block, ...], ...]
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Quoted blocks."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a header row."""

    header: tuple[tuple[Span, ...], ...]
    rows: tuple[tuple[tuple[Span, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line."""


Block: TypeAlias = Heading | Paragraph | Code | Bullets | Quote | Grid | Rule


def parse_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of ``text``, as CommonMark with tables."""
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    it = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    it.disable(["reference", "entity", "html_block", "html_inline"])
    it.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    noted: dict[str, Any] = {}
    tokens = it.parse(text, noted)
    deepest = max((token.level for token in tokens if token.type in _CONTAINERS), default=0)
    if _WIDE in noted or deepest + 1 >= it.options["maxNesting"]:
        return (Code(text.rstrip("\n")),)
    return _blocks(SyntaxTreeNode(tokens).children)


_CONTAINERS = ("blockquote_open", "list_item_open")
_WIDE = "wide"


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # as the parser calls it
    """The parser's rule for tables; it also notes a row with more cells than the header, which the parser leaves out."""
    from markdown_it.rules_block import table

    before = len(state.tokens)
    is_table = table(state, start, end, silent)
    opened = state.tokens[before:]
    columns = sum(token.type == "th_open" for token in opened)
    for row in (token.map[0] for token in opened if token.type == "tr_open" and token.map):
        cells = re.split(r"(?<!\\)\|", state.src[state.bMarks[row] + state.tShift[row] : state.eMarks[row]].strip())
        if "".join(cells[columns + (not cells[0]) :]).strip():
            state.env[_WIDE] = True
    return is_table


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> tuple[Block, ...]:
    return tuple(_block(node) for node in nodes)


def _block(node: SyntaxTreeNode) -> Block:
    match node.type:
        case "heading":
            return Heading(int(node.tag[1:]), _spans(node.children))
        case "fence" | "code_block":
            return Code(node.content.rstrip("\n"), node.info.strip() if node.type == "fence" else "")
        case "bullet_list" | "ordered_list":
            start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
            return Bullets(tuple(_blocks(item.children) for item in node.children), start)
        case "blockquote":
            return Quote(_blocks(node.children))
        case "table":
            rows = [
                tuple(_spans(cell.children) for cell in row.children) for part in node.children for row in part.children
            ]
            return Grid(rows[0], tuple(rows[1:]))
        case "hr":
            return Rule()
        case "paragraph":
            return Paragraph(_spans(node.children))
        case _:  # whatever a later parser adds is shown as it was written
            return Paragraph((Span(node.content or ""),))


def _spans(nodes: Sequence[SyntaxTreeNode], style: Style = "") -> tuple[Span, ...]:
    spans: list[Span] = []
    for node in nodes:
        match node.type:
            case "inline":
                spans += _spans(node.children, style)
            case "text":
                spans.append(Span(node.content, style))
            case "code_inline":
                spans.append(Span(node.content, "code"))
            case "softbreak":
                spans.append(Span(" ", style))
            case "hardbreak":
                spans.append(Span("\n", style))
            case "strong" | "em" | "s":
                spans += _spans(node.children, node.type)
            case "image":
                spans.append(Span(f"[image: {node.content}] {_address(node, 'src')}", style))
            case "link":
                label = _spans(node.children, style)
                is_bare = "".join(span.text for span in label) == node.attrs.get("href") and "title" not in node.attrs
                spans += label if is_bare else [*label, Span(f" {_address(node, 'href')}", style)]
            case _:
                spans.append(Span(node.content or "", style))
    return tuple(span for span in spans if span.text)


def _address(node: SyntaxTreeNode, key: str) -> str:
    title = f' "{node.attrs["title"]}"' if node.attrs.get("title") else ""
    return f"<{node.attrs.get(key, '')}{title}>"
