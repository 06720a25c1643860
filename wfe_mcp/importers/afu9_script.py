"""Translates the JavaScript inside ``${…}`` of an AFU-9 workflow to CEL.

    new Date().toISOString()                 string(timestamp(run.started_at))
    `Fix ${issue.number}`                    "Fix " + string(vars.issue.number)
    issue.labels.map(l => l.name)            vars.issue.labels.map(l, l.name)
    issue.labels.filter(l => l.on).length    size(vars.issue.labels.filter(l, …))
    issue.body || 'none'                     (has(vars.issue.body) && … ? vars.issue.body : "none")

Rules:
1. Expressions have no clock, so that a run can be replayed: the date is that of the run's start, and the import says so.
2. What has no equivalent is refused with the CEL of the part that was understood: it is a proposal to edit.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import field

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.importers import afu9_tokens as js
from wfe_mcp.importers.afu9_tokens import Kind, Names, Node, UnreadableError, end_of_script, pieces_of, text_of
from wfe_mcp.importers.imported import identifier

_NULL: tuple[str, Kind] = ("null", "any")
_WORDS: Mapping[str, tuple[str, Kind]] = {
    "true": ("true", "truth"),
    "false": ("false", "truth"),
    "null": _NULL,
    "undefined": _NULL,
}


def translate_script(source: str, names: Names) -> str:
    """``source`` as a text with ``${…}``. Raises UnreadableError."""
    node = _Script(source, names).whole()
    if not node.pieces:
        return f"${{{js.value_of(node)}}}"
    return "".join(f"${{{piece}}}" if is_cel else plain(piece) for piece, is_cel in node.pieces)


def translated_condition(source: str, names: Names) -> str:
    """``source`` as CEL that is true or false; what is missing makes it false. Raises UnreadableError."""
    script = _Script(source, names, required=False)
    condition = script.truth(script.whole())
    guards = dict.fromkeys(names.exists(path) for path in script.looked_up)
    return " && ".join([*(guard for guard in guards if guard != "true"), condition])


def plain(piece: str) -> str:
    """Text beside expressions: a ``${`` in it is escaped, a ``$`` at its end too."""
    piece = piece.replace("${", "$${")
    return f"{piece[:-1]}${{'$'}}" if piece.endswith("$") else piece


@dataclass(slots=True)
class _Script:
    """Reads one expression from left to right, by precedence."""

    source: str
    names: Names
    required: bool = True
    bound: frozenset[str] = frozenset()
    depth: int = 0
    looked_up: list[str] = field(default_factory=list[str])
    _tokens: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _at: int = 0

    def whole(self) -> Node:
        """The whole expression."""
        self._tokens = js.tokens(self.source)
        node = self._settle(self._choice())
        if self._here != "end":
            raise UnreadableError(f"{self._current_token!r} is not expected here", f"${{{node.cel}}}")
        return node

    def truth(self, node: Node) -> str:
        """``node`` as CEL that is true or false, with JavaScript's truth rules."""
        if node.condition:
            return node.condition
        match node.kind:
            case "truth":
                return node.cel
            case "list" | "date":
                return "true"
            case _:
                return f"!({self._settle(node).cel} in [null, false, 0, ''])"

    # tokens

    @property
    def _here(self) -> str:
        kind, value = self._tokens[self._at]
        return value if kind == "sign" else kind

    @property
    def _current_token(self) -> str:
        return self._tokens[self._at][1] or "the end"

    def _take(self, *signs: str) -> str:
        token = self._here
        if token not in signs:
            return ""
        self._at += 1
        return token

    def _must(self, sign: str) -> None:
        if not self._take(sign):
            raise UnreadableError(f"{sign!r} is missing before {self._current_token!r}")

    def _name(self) -> str:
        kind, value = self._tokens[self._at]
        if kind != "name":
            raise UnreadableError(f"a name is missing before {self._current_token!r}")
        self._at += 1
        return value

    # precedence

    def _choice(self) -> Node:
        self.depth += 1
        js.refuse_depth(self.depth)
        node = self._either()
        if self._take("?"):
            then = self._settle(self._choice())
            self._must(":")
            other = self._settle(self._choice())
            kind: Kind = then.kind if then.kind == other.kind else "any"
            node = Node(f"({self._as_condition(node)} ? dyn({then.cel}) : dyn({other.cel}))", kind)
        self.depth -= 1
        return node

    def _either(self) -> Node:
        node = self._both()
        while sign := self._take("||", "??"):
            other = self._settle(self._both())
            if node.kind == other.kind == "truth":
                node = Node(f"({node.cel} || {other.cel})", "truth")
                continue
            asked = self._as_condition(node) if sign == "||" else self._is_there(node)
            node = Node(f"({asked} ? dyn({self._optional(node)}) : dyn({other.cel}))")
        return node

    def _both(self) -> Node:
        node = self._equality()
        while self._take("&&"):
            other, asked = self._equality(), self._as_condition(node)
            both = f"({asked} && {self._as_condition(other)})"
            if node.kind == other.kind == "truth":
                node = Node(both, "truth")
                continue
            value = self._optional(node)  # the first one that counts as false, else the last
            value = f"({self.names.exists(node.path)} ? dyn({value}) : dyn(null))" if node.path else f"dyn({value})"
            node = Node(f"({asked} ? dyn({self._optional(other)}) : {value})", condition=both)
        return node

    def _equality(self) -> Node:
        node = self._relation()
        while sign := self._take("===", "!==", "==", "!="):
            left, right = _alike(self._settle(node), self._settle(self._relation()))
            node = Node(f"({left.cel} {sign[:2]} {right.cel})", "truth")
        return node

    def _relation(self) -> Node:
        node = self._sum()
        while sign := self._take("<", ">", "<=", ">="):
            left, right = _alike(self._settle(node), self._settle(self._sum()))
            node = Node(f"({left.cel} {sign} {right.cel})", "truth")
        return node

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._take("+", "-"):
            left, right = self._settle(node), self._settle(self._product())
            if sign == "+" and "text" in (left.kind, right.kind):
                node = text_of((*pieces_of(left), *pieces_of(right)))
                continue
            if "fraction" in (left.kind, right.kind):
                node = Node(f"({_double(left)} {sign} {_double(right)})", "fraction")
                continue
            kind: Kind = "number" if left.kind == right.kind == "number" or sign == "-" else "any"
            node = Node(f"({left.cel} {sign} {right.cel})", kind)
        return node

    def _product(self) -> Node:
        node = self._negation()
        while sign := self._take("*", "/", "%"):
            left, right = self._settle(node), self._settle(self._negation())
            if sign != "/" and "fraction" not in (left.kind, right.kind):
                node = Node(f"({left.cel} {sign} {right.cel})", "number")
                continue
            first, second = _double(left), _double(right)  # 3 / 2 is 1.5 in JavaScript, and 1 in CEL
            js.refuse_length(first + second if sign == "%" else "")
            whole = f"({first} - {second} * double(int({first} / {second})))"  # CEL has no % of fractions
            node = Node(whole if sign == "%" else f"({first} {sign} {second})", "fraction")
        return node

    def _negation(self) -> Node:
        sign = self._take("!", "-")
        if not sign:
            return self._member()
        self.depth += 1
        js.refuse_depth(self.depth)
        node = self._negation()
        self.depth -= 1
        if sign == "!":
            return Node(f"!({self._as_condition(node)})", "truth")
        return Node(f"-({self._settle(node).cel})", "fraction" if node.kind == "fraction" else "number")

    def _member(self) -> Node:
        node = self._primary()
        while sign := self._take(".", "?.", "["):
            if sign == "[":
                index = self._choice()
                self._must("]")
                node = self._at_index(node, index)
                continue
            name = self._name()
            node = self._method_call(node, name) if self._take("(") else self._below(node, name)
        return node

    def _primary(self) -> Node:
        kind, value = self._tokens[self._at]
        if self._take("("):
            inner = self._choice()
            self._must(")")
            return inner
        if self._take("["):
            return Node(f"[{', '.join(node.cel for node in self._nodes_until(']'))}]", "list")
        if self._take("{"):
            return self._object()
        self._at += kind != "end"
        match kind:
            case "number":
                return Node(value, "number" if value.isdigit() else "fraction")
            case "text":
                return self._text_node(value[1:-1])
            case "template":
                return self._template(value)
            case "name":
                return self._node_of_name(value)
            case _:
                raise UnreadableError(f"a value is missing before {value or 'the end'!r}")

    # values

    def _node_of_name(self, name: str) -> Node:
        if name in _WORDS:
            return Node(*_WORDS[name])
        if name in self.bound:
            return Node(name)
        if name == "new":
            return self._constructor()
        full = name
        if name in {"Date", "JSON", "Object", "Array"} and self._take("."):
            full = f"{name}.{self._name()}"
        if full == name and not (name in js.FUNCTIONS and self._here == "("):
            return Node("", path=name)
        self._must("(")
        nodes = self._nodes_until(")")
        if full == "Date.now" and not nodes:
            self.names.asks_the_time = True
            return Node(js.MILLISECONDS, "number")
        if full == "JSON.stringify" and nodes:
            return Node(nodes[0].cel, "text", pieces=(("", False), ("''", True), (nodes[0].cel, True)))
        if full in js.FUNCTIONS and nodes:
            cel, kind = js.FUNCTIONS[full]
            return Node(cel.format(nodes[0].cel), kind)
        raise UnreadableError(f"{full}() has no equivalent in CEL", f"${{{nodes[0].cel}}}" if nodes else "")

    def _constructor(self) -> Node:
        name = self._name()
        nodes = self._nodes_until(")") if self._take("(") else []
        if name != "Date" or nodes:
            raise UnreadableError(f"new {name} has no equivalent in CEL", f"${{{nodes[0].cel}}}" if nodes else "")
        self.names.asks_the_time = True
        return Node(f"string({js.NOW})", "date")

    def _nodes_until(self, closing: str) -> list[Node]:
        nodes: list[Node] = []
        while not self._take(closing):
            nodes.append(self._settle(self._choice()))
            if self._here != closing:
                self._must(",")
        return nodes

    def _object(self) -> Node:
        pairs: list[str] = []
        while not self._take("}"):
            kind, key = self._tokens[self._at]
            if kind not in {"name", "text"}:
                raise UnreadableError(f"a key is missing before {self._current_token!r}")
            self._at += 1
            key = key[1:-1] if kind == "text" else key
            value = self._settle(self._choice() if self._take(":") else self._node_of_name(key))
            pairs.append(f"{json.dumps(key)}: {value.cel}")
            if self._here != "}":
                self._must(",")
        return Node(f"{{{', '.join(pairs)}}}")

    def _text_node(self, inner: str) -> Node:
        """A text in quotes. A value in it was put there before the quotes were read: alone, it is the value itself."""
        node = self._template(inner)
        return Node(node.pieces[0][0]) if len(node.pieces) == 1 and node.pieces[0][1] else node

    def _template(self, value: str) -> Node:
        pieces: list[tuple[str, bool]] = []
        position = 0
        while (begin := value.find("${", position)) >= 0:
            end = end_of_script(value, begin + 2)
            inner = _Script(
                value[begin + 2 : end], self.names, self.required, self.bound, self.depth + 1, self.looked_up
            )
            js.refuse_depth(inner.depth)
            pieces += [(re.sub(r"\\(.)", _unescape, value[position:begin]), False), *pieces_of(inner.whole())]
            position = end + 1
        return text_of((*pieces, (re.sub(r"\\(.)", _unescape, value[position:]), False)))

    def _below(self, node: Node, name: str) -> Node:
        if name == "length":
            return Node(f"size({self._settle(node).cel})", "number")
        if node.path:
            return Node("", path=f"{node.path}.{name}")
        return Node(f"{node.cel}.{name}" if identifier(name) == name else f"{node.cel}[{json.dumps(name)}]")

    def _at_index(self, node: Node, index: Node) -> Node:
        if node.path and index.kind == "number" and index.cel.isdigit():
            return Node("", path=f"{node.path}[{index.cel}]")
        return Node(f"{self._settle(node).cel}[{self._settle(index).cel}]")

    def _method_call(self, node: Node, name: str) -> Node:
        if node.kind == "date":
            self._must(")")
            if name in js.OF_DATES:
                return Node(*js.OF_DATES[name])
            raise UnreadableError(f".{name}() of a date has no equivalent in CEL", f"${{{node.cel}}}")
        value = self._settle(node)
        if name in js.OF_ITEMS:
            template, kind = js.OF_ITEMS[name]
            return Node(template.format(value.cel, *self._function(asks=name != "map")), kind)
        is_known = any(name == known for known, _ in js.METHODS)
        nodes = self._nodes_until(")") if is_known else []
        if (method := js.METHODS.get((name, len(nodes)))) is None:
            raise UnreadableError(f".{name}() has no equivalent in CEL", f"${{{value.cel}}}")
        return Node(method[0].format(value.cel, *(argument.cel for argument in nodes)), method[1])

    def _function(self, *, asks: bool) -> tuple[str, str]:
        """The parameter and the body of ``x => …``; ``asks``: the body is a condition."""
        in_brackets = self._take("(")
        name = self._name()
        if identifier(name) != name:
            raise UnreadableError(f"{name!r} is no name in CEL; rename the parameter")
        if in_brackets:
            self._must(")")
        self._must("=>")
        outside, self.bound = self.bound, self.bound | {name}
        body = self._choice()
        self.bound = outside
        self._must(")")
        return name, self._as_condition(body) if asks else js.value_of(self._settle(body))

    # names

    def _settle(self, node: Node) -> Node:
        """``node`` with its name looked up."""
        if not node.path:
            return node
        self.looked_up.append(node.path)
        return Node(self.names.value(node.path, required=self.required))

    def _optional(self, node: Node) -> str:
        return self.names.value(node.path, required=False) if node.path else node.cel

    def _is_there(self, node: Node) -> str:
        value = self._optional(node)
        return f"({self.names.exists(node.path)} && {value} != null)" if node.path else f"{value} != null"

    def _as_condition(self, node: Node) -> str:
        """``node`` as CEL that is true or false; a name without a value is false."""
        if not node.path:
            return self.truth(node)
        return f"({self.names.exists(node.path)} && !({self._optional(node)} in [null, false, 0, '']))"


def _double(node: Node) -> str:
    return node.cel if node.kind == "fraction" else f"double({node.cel})"


def _alike(left: Node, right: Node) -> tuple[Node, Node]:
    """Both as CEL compares them: a fraction with any other number."""
    if "fraction" not in (left.kind, right.kind):
        return left, right
    return Node(f"dyn({left.cel})"), Node(f"dyn({right.cel})")


def _unescape(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1])
