"""The tokens of JavaScript in an AFU-9 workflow, and where a script in a text ends."""

import re

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
    found: list[tuple[str, str]] = []
    position, source = 0, source.strip()
    while position < len(source):
        if source[position:].lstrip().startswith("`"):
            begin = source.index("`", position)
            end = _template_end(source, begin)
            if end < 0:
                raise UnreadableError("a template literal does not end")
            found.append(("template", source[begin + 1 : end]))
            position = end + 1
            continue
        token = _TOKEN.match(source, position)
        if token is None or token.lastgroup is None:
            raise UnreadableError(f"{source[position : position + 20].strip()!r} has no equivalent in CEL")
        found.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    return [*found, ("end", "")]


def end_of_script(value: str, begin: int) -> int:
    """The position of the ``}`` that ends the script beginning at ``begin``; -1 when there is none."""
    depth, position = 0, begin
    while position < len(value):
        letter = value[position]
        if letter in "'\"":
            closing = _quote_end(value, position)
            if closing < 0:  # an apostrophe in text: the script ends at the first brace
                return value.find("}", position)
            position = closing
        elif letter == "`":
            position = _template_end(value, position)
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


def _template_end(value: str, begin: int) -> int:
    position = begin + 1
    while position < len(value) and value[position] != "`":
        if value.startswith("${", position):
            position = end_of_script(value, position + 2)
            if position < 0:
                return -1
        position += 2 if value[position] == "\\" else 1
    return position if position < len(value) else -1
