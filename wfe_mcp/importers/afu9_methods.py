"""JavaScript's methods and functions as CEL: the text, with the value as ``{0}``, and the kind of the result."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["any", "text", "number", "truth", "list", "date"]
"""What is known of a value; ``date``: a JavaScript Date."""

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
    "Number": ("double({0})", "number"),
    "parseInt": ("int({0})", "number"),
    "Array.isArray": ("(type({0}) == list)", "truth"),
    "Object.keys": ("{0}.map(key, key)", "list"),
}
