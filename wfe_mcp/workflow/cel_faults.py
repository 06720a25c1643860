"""The messages of CEL in plain words: what is wrong with an expression, or with the values it was given."""

import re

_PLAIN = (
    (r"Syntax error: mismatched input '<EOF>' .*", "the expression ends too early"),
    (r"Syntax error: missing '(.+)' at '<EOF>'", "'{0}' is missing at the end"),
    (r"Syntax error: token recognition error at: '=.*", "'=' is no operator; equality is '=='"),
    (r"Syntax error: (?:extraneous|mismatched) input '(and|or|not)' .*", "'{0}' is no operator; use &&, || or !"),
    (r"Syntax error: (?:extraneous|mismatched) input '(.+)' expecting .*", "'{0}' is not expected here"),
    (r"Syntax error: token recognition error at: '(.+)'", "'{0}' is not expected here"),
    (r"Index error: index=(-?\d+) size=(\d+)", "there is no element {0}; the list has {1}, and the first is 0"),
    (r'Key not found in map : "(.+)"', "there is no key '{0}'; has(…) says whether there is one"),
    (
        r"(?s)Integer value '(-?\d+)' out of range for .*",
        "a value that it reads holds {0:.40}; an expression takes whole numbers of 64 bits, so write it as text",
    ),
    (r"Applying SELECT to non-message type", "a value that is no object has no keys"),
    (r"No matching overloads found : <jump_condition>", "what stands before '?' must be true or false"),
    (r"No matching overloads found : _?([^_(]+)_?\((.*)\)", "'{0}' does not take ({1})"),
    (r"No matching overloads found : _?([^_(]+)_?", "'{0}' does not take these values"),
    (r"found no matching overload for '_?([^_]+)_?' applied to '(.*)'", "'{0}' does not take {1}"),
)
"""What CEL says and what we say; ``{0}`` and ``{1}``: its groups. The first that fits counts."""


def in_plain_words(message: str) -> str:
    """``message`` of CEL as a person reads it; one that is not in the table stays as it is."""
    for pattern, words in _PLAIN:
        if match := re.fullmatch(pattern, message):
            return words.format(*match.groups())
    return message
