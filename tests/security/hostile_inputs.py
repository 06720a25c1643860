"""Values and lines that no client would send."""

from hypothesis import strategies as st


def nested(depth: int, inner: object = 1) -> object:
    """A list in a list in a list…"""
    for _ in range(depth):
        inner = [inner]
    return inner


def nested_objects(depth: int) -> object:
    """An object in an object in an object…"""
    inner: object = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


BOMBS: tuple[object, ...] = (
    nested(70),
    nested(300),
    nested_objects(190),
    {"a": nested(64)},
    ["x"] * 120_000,
    {f"k{number}": number for number in range(20_000)},
    "x" * 1_100_000,
    {"x" * 10_000: 1},
    10**4_000,
    -(10**1_300),
    1.7e308,
    5e-324,
    "\x00",
    {"\x00": "\x00"},
    "a\x00b",
    "\u202e\u2066",
    "\ufffe\uffff",
    "\x1b[2J\x1b]0;owned\x07",
    {"$ref": "http://127.0.0.1:9/x.json"},
    {"$ref": "file:///etc/passwd"},
    {"$ref": "#"},
    {"type": "object", "properties": {"a": {"$ref": "#"}}},
    {"type": "string", "pattern": "^(a+)+$"},
    {"pattern": "(?=x)\\1", "type": "string"},
    {"allOf": [{"$ref": "#/allOf/0"}]},
    "${artifacts.x.y}",
    "${" * 2_000,
    "$${a}",
    "${env.HOME}",
    "${inputs[" + "'a'" * 500 + "]}",
    "{{7*7}}",
    "{a.__init__.__globals__[os].environ[HOME]}",
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "file:///etc/passwd",
    "..\\..\\x",
    ".wfe/config.toml",
    ".git/config",
    "a" * 300 + "/b",
    "con",
    "x/../../y",
    "wfe://runs/../../etc",
    "-rf",
    "; rm -rf /",
    "$(touch /tmp/x)",
    "`id`",
    "' OR 1=1 --",
    '"; DROP TABLE run; --',
    "*",
    "%",
    "_",
    "NEAR(",
    '"',
    "AND OR NOT",
    "cp-0",
    "cp--1",
    "plan[",
    "plan[a].b[",
    "]" * 50,
    "#/a",
    "/~2",
    "~",
    "//",
    "/0/0",
    "/-",
    "/" + "a/" * 5_000,
    "build[T-1].code",
    "$complete",
    "quick_fix@",
    "@1.0.0",
    "quick_fix@" + "9" * 100,
)
"""Values made manually: too deep, too wide, too long, or with a meaning somewhere else."""


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.sampled_from(BOMBS),
)
JSON = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXT, inner, max_size=5)),
    max_leaves=12,
)


BAD_LINES: tuple[bytes, ...] = (
    b"{",
    b"nonsense",
    b"\xff\xfe\x00",
    b"[1,2]",
    b"null",
    b"{}",
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"2.0","id":[],"method":"x"}',
    b'{"jsonrpc":"2.0","id":1,"method":5}',
    b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","arguments":{"wait_s":NaN}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","arguments":{"wait_s":1e999}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","arguments":{"run":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","name":"cancel"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","arguments":{"run":"a","run":"b"}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + b'{"a":' * 3_000 + b"1" + b"}" * 3_000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'"' + b"x" * 200_000,
    b"1" * 6_000,
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"tools/list"}',
    b"\x00",
    b"\xef\xbb\xbf{}",
    b"{}\x00{}",
)
"""Lines that are no message, or none that everybody reads alike."""
