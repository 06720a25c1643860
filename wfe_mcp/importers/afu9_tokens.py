"""JavaScript inside ``${…}``: its tokens, the parts of an expression, and its names and methods as CEL."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import near_miss
from wfe_mcp.importers.imported import identifier

PATH = re.compile(r"\s*([A-Za-z_$][\w$-]*)((?:\.[\w$-]+|\[\d+\])*)\s*")
_PART = re.compile(r"\.([\w$-]+)|\[(\d+)\]")
_MOST_NESTED = 50
_MOST_REPEATED = 1_000

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_$][\w$]*)"""
    r"""|(?P<sign>=>|\.\.\.|\?\.|\?\?|===|!==|==|!=|>=|<=|&&|\|\||[.,:?()\[\]{}+\-*/%!<>]))""",
    re.DOTALL,
)


class UnreadableError(Exception):
    """The text has no equivalent; the message gives the reason. ``proposal``: a text to put there, empty if none."""

    def __init__(self, reason: str, proposal: str = "") -> None:
        super().__init__(reason)
        self.proposal = proposal


def tokens(source: str) -> list[tuple[str, str]]:
    """Kind and text of each token: name, number, text, template, sign, and ``end`` last. Raises UnreadableError."""
    pairs: list[tuple[str, str]] = []
    position, source = 0, source.strip()
    while position < len(source):
        if source[position:].lstrip().startswith("`"):
            begin = source.index("`", position)
            end = _template_end(source, begin)
            if end < 0:
                raise UnreadableError("a template literal does not end")
            pairs.append(("template", source[begin + 1 : end]))
            position = end + 1
            continue
        token = _TOKEN.match(source, position)
        if token is None or token.lastgroup is None:
            raise UnreadableError(f"{source[position : position + 20].strip()!r} has no equivalent in CEL")
        pairs.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    return [*pairs, ("end", "")]


def end_of_script(value: str, begin: int, above: int = 0) -> int:
    """The position of the ``}`` that ends the script beginning at ``begin``; -1 when there is none.

    ``above``: how many template literals it is in. Raises UnreadableError.
    """
    refuse_depth(above)
    depth, position = 0, begin
    while position < len(value):
        letter = value[position]
        if letter in "'\"":
            closing = _quote_end(value, position)
            if closing < 0:  # an apostrophe in text: the script ends at the first brace
                return value.find("}", position)
            position = closing
        elif letter == "`":
            position = _template_end(value, position, above + 1)
            if position < 0:
                return -1
        elif letter == "{":
            depth += 1
        elif letter == "}":
            if not depth:
                return position
            depth -= 1
        position += 1
    return -1


def _quote_end(value: str, begin: int) -> int:
    position = begin + 1
    while position < len(value) and value[position] != value[begin]:
        position += 2 if value[position] == "\\" else 1
    return position if position < len(value) else -1


def refuse_depth(depth: int) -> None:
    """Raise UnreadableError for what nests too deeply."""
    if depth > _MOST_NESTED:
        raise UnreadableError(f"it nests more than {_MOST_NESTED} times")


def _template_end(value: str, begin: int, above: int = 1) -> int:
    position = begin + 1
    while position < len(value) and value[position] != "`":
        if value.startswith("${", position):
            position = end_of_script(value, position + 2, above)
            if position < 0:
                return -1
        position += 2 if value[position] == "\\" else 1
    return position if position < len(value) else -1


Kind = Literal["any", "text", "number", "fraction", "truth", "list", "date"]
"""What is known of a value; ``date``: a JavaScript Date; ``fraction``: a number that CEL calculates with another of the kind alone."""

NOW = "timestamp(run.started_at)"
MILLISECONDS = f"(int({NOW}) * 1000)"

OF_ITEMS: Mapping[str, tuple[str, Kind]] = {
    "map": ("{0}.map({1}, {2})", "list"),
    "filter": ("{0}.filter({1}, {2})", "list"),
    "some": ("{0}.exists({1}, {2})", "truth"),
    "every": ("{0}.all({1}, {2})", "truth"),
    "find": ("{0}.filter({1}, {2})[0]", "any"),
}
"""Methods that take a function: CEL with the list, the name and the body."""

METHODS: Mapping[tuple[str, int], tuple[str, Kind]] = {
    ("includes", 1): ("(type({0}) == string ? string({0}).contains(string({1})) : {1} in {0})", "truth"),
    ("startsWith", 1): ("{0}.startsWith({1})", "truth"),
    ("endsWith", 1): ("{0}.endsWith({1})", "truth"),
    ("join", 0): ("{0}.map(each, string(each)).join(',')", "text"),
    ("join", 1): ("{0}.map(each, string(each)).join({1})", "text"),
    ("split", 1): ("{0}.split({1})", "list"),
    ("toLowerCase", 0): ("{0}.lowerAscii()", "text"),
    ("toUpperCase", 0): ("{0}.upperAscii()", "text"),
    ("trim", 0): ("{0}.trim()", "text"),
    ("toString", 0): ("string({0})", "text"),
    ("concat", 1): ("({0} + {1})", "any"),
    ("slice", 2): ("(size({0}) > {2} ? {0}.substring({1}, {2}) : {0}.substring({1}))", "text"),
    ("substring", 2): ("(size({0}) > {2} ? {0}.substring({1}, {2}) : {0}.substring({1}))", "text"),
}
"""Methods by the number of their arguments: CEL with the value and the arguments."""

OF_DATES: Mapping[str, tuple[str, Kind]] = {
    "toISOString": (f"string({NOW})", "text"),
    "toJSON": (f"string({NOW})", "text"),
    "toString": (f"string({NOW})", "text"),
    "getTime": (MILLISECONDS, "number"),
    "valueOf": (MILLISECONDS, "number"),
    "getFullYear": (f"{NOW}.getFullYear()", "number"),
}
FUNCTIONS: Mapping[str, tuple[str, Kind]] = {
    "String": ("string({0})", "text"),
    "Number": ("double({0})", "fraction"),
    "parseInt": ("int({0})", "number"),
    "Array.isArray": ("(type({0}) == list)", "truth"),
    "Object.keys": ("{0}.map(key, key)", "list"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """CEL of a part; ``path``: it is a name of the workflow, not looked up yet. ``pieces``: a text in parts.

    ``condition``: the same as CEL that is true or false, where that is shorter.
    """

    cel: str
    kind: Kind = "any"
    path: str = ""
    pieces: tuple[tuple[str, bool], ...] = ()
    condition: str = ""


def pieces_of(node: Node) -> tuple[tuple[str, bool], ...]:
    """The parts of a text; of anything else, itself."""
    return node.pieces or ((value_of(node), True),)


def refuse_length(cel: str) -> None:
    """Refuse what cannot be written several times into an expression: one inside another would double each time."""
    if len(cel) > _MOST_REPEATED:
        raise UnreadableError(f"this division is longer than {_MOST_REPEATED} characters in CEL")


def value_of(node: Node) -> str:
    """``node`` as CEL that has no fraction where the number has none: 4 / 2 is 2 in JavaScript, and 2.0 in CEL."""
    if node.kind != "fraction":
        return node.cel
    refuse_length(node.cel)
    return f"({node.cel} == double(int({node.cel})) ? dyn(int({node.cel})) : dyn({node.cel}))"


def text_of(pieces: tuple[tuple[str, bool], ...]) -> Node:
    """A text made of parts. Alone in a value it is written in its parts, inside CEL as a sum of texts."""
    parts = tuple(piece for piece in pieces if piece[0])
    quoted: Callable[[str, bool], str] = lambda text, is_cel: f"string({text})" if is_cel else json.dumps(text)  # noqa: E731
    cel = " + ".join(quoted(text, is_cel) for text, is_cel in parts) or '""'
    return Node(f"({cel})" if len(parts) > 1 else cel, "text", pieces=parts or (("", False),))


@dataclass(slots=True)
class Names:
    """The names available to a step's expressions. ``needed``: input paths used so far, and whether each is required.

    ``named``: what the workflow calls each input. ``asks_the_time``: an expression asked for the present time.
    """

    assigned: dict[str, str] = field(default_factory=dict[str, str])
    needed: dict[tuple[str, ...], bool] = field(default_factory=dict[tuple[str, ...], bool])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    named: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    asks_the_time: bool = False

    def value(self, path: str, *, required: bool) -> str:
        """CEL of the value of ``path``."""
        return cel_of(self.resolve(path, required=required))

    def exists(self, path: str) -> str:
        """CEL that is true when ``path`` has a value."""
        return has_value(self.resolve(path, required=False))

    def resolve(self, path: str, *, required: bool) -> list[str | int]:
        """The path of a value from its root, ``["vars", "issue", "number"]``."""
        match = PATH.fullmatch(path)
        if match is None:
            raise UnreadableError(f"{path!r} is no path such as issue.labels[0].name")
        root = match[1]
        parts: list[str | int] = [name or int(index) for name, index in _PART.findall(match[2])]
        if root == "variables" and parts and parts[0] in self.assigned:
            root, parts = str(parts[0]), parts[1:]
        elif root in {"input", "repo", "variables"}:
            called = f"input.{parts[0]}" if root == "input" and parts else root
            return ["inputs", *self._input(([] if root == "input" else [root]) + parts, called, required)]
        if root not in self.assigned:
            known = ("input", "repo", "variables", *self.assigned)
            guess = near_miss(root, known, f"; there are {', '.join(known)}")
            raise UnreadableError(f"no earlier step assigns {root!r}{guess}")
        return ["vars", self.assigned[root], *parts]

    def _input(self, parts: list[str | int], called: str, required: bool) -> list[str | int]:
        if parts and isinstance(parts[0], str):
            name = identifier(parts[0])
            self.named.setdefault(name, {})[called] = None
            if name != parts[0]:
                self.renamed[parts[0]] = name
            parts = [name, *parts[1:]]
        names: list[str] = []
        for part in parts:
            if isinstance(part, int):
                break
            names.append(part)
            way = tuple(names)
            self.needed[way] = self.needed.get(way, False) or required
        return parts


def cel_of(way: list[str | int]) -> str:
    """CEL of the value at ``way``."""
    cel = str(way[0])
    for part in way[1:]:
        if isinstance(part, int):
            cel += f"[{part}]"
        else:
            cel += f".{part}" if identifier(part) == part else f"[{json.dumps(part)}]"
    return cel


def has_value(way: list[str | int]) -> str:
    """CEL that is true when ``way`` has a value."""
    asked: list[str] = []
    for length in range(2, len(way) + 1):
        part, above = way[length - 1], cel_of(way[: length - 1])
        if isinstance(part, int):
            asked.append(f"size({above}) > {part}")
        elif identifier(part) == part:
            asked.append(f"has({above}.{part})")
        else:
            asked.append(f"{json.dumps(part)} in {above}")
    return " && ".join(asked) or "true"
