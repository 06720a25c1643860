"""An entry gets into JSON, TOML and YAML and out again without changing another character."""

import json
import random
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from wfe_mcp.clients.formats.entry import Format, add_entry, cut, parse_document, remove_entry
from wfe_mcp.clients.formats.splice import Unreadable, Unsplicable
from wfe_mcp.workspace.config.edits import value_at

ENTRY = {"command": "/opt/wfe mcp/bin/wfe-mcp", "args": ["serve"], "timeout": 120, "on": True, "inner": {"a": 1}}
NAMES = st.text("abcäβ \"\\/*#:{}[],'-", min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-9, 99) | NAMES | st.just("// no comment") | st.just("# none")
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)
SERVERS = st.none() | st.dictionaries(
    NAMES.filter(lambda name: name != "wfe"), st.dictionaries(NAMES, SCALARS, max_size=2), max_size=3
)


def is_addition(before: bytes, after: bytes) -> bool:
    """Whether ``after`` is ``before`` with characters inserted at one place."""
    start = 0
    while start < len(before) and before[start] == after[start]:
        start += 1
    return before[start:] == after[len(after) - (len(before) - start) :]


class Commented:
    """Writes JSON with comments, odd spaces and trailing commas, as a random number generator says."""

    def __init__(self, seed: int, newline: str) -> None:
        self.dice, self.newline = random.Random(seed), newline

    def blank(self) -> str:
        pieces = ["", " ", self.newline, "  ", f"// a, {{ b }}{self.newline}", "/* c: [ */", f"{self.newline}\t"]
        return "".join(self.dice.choices(pieces, k=self.dice.randint(0, 3)))

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            parts = [f"{json.dumps(key)}{self.blank()}:{self.blank()}{self.value(each)}" for key, each in value.items()]  # pyright: ignore[reportUnknownVariableType]
            return self.joined("{", parts, "}")
        if isinstance(value, list):
            return self.joined("[", [self.value(each) for each in value], "]")  # pyright: ignore[reportUnknownVariableType]
        return json.dumps(value, ensure_ascii=self.dice.random() < 0.5)

    def joined(self, head: str, parts: list[str], end: str) -> str:
        last = "," if parts and self.dice.random() < 0.3 else ""
        return (
            f"{head}{self.blank()}{f'{self.blank()},{self.blank()}'.join(parts)}{self.blank()}{last}{self.blank()}{end}"
        )


@given(DOCUMENTS, SERVERS, st.integers(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_an_entry_in_json_with_comments_is_added_and_removed_and_nothing_else_changes(
    document: dict[str, Any], servers: dict[str, Any] | None, seed: int, newline: str, bom: bool
) -> None:
    if servers is not None:
        document = {**document, "mcpServers": servers}
    write = Commented(seed, newline)
    mark = "\ufeff" if bom else ""
    text = f"{mark}{write.blank()}{write.value(document)}{write.blank()}".encode()
    after = add_entry(text, "jsonc", ("mcpServers", "wfe"), ENTRY)
    assert is_addition(text, after)
    assert parse_document(after, "jsonc") == {**document, "mcpServers": {**(servers or {}), "wfe": ENTRY}}
    left = remove_entry(after, "jsonc", ("mcpServers", "wfe"))
    assert parse_document(left, "jsonc") == {**document, "mcpServers": servers or {}}


def test_an_empty_object_between_two_comments_of_a_line_takes_an_entry() -> None:
    text = b'{\n  "mcpServers": { /* none */ } /* yet */\n}\n'
    after = add_entry(text, "jsonc", ("mcpServers", "wfe"), ENTRY)
    assert is_addition(text, after)
    assert parse_document(after, "jsonc") == {"mcpServers": {"wfe": ENTRY}}
    assert parse_document(remove_entry(after, "jsonc", ("mcpServers", "wfe")), "jsonc") == {"mcpServers": {}}


@given(DOCUMENTS, SERVERS, st.sampled_from([None, 0, 1, 2, 4, "\t"]))
def test_what_a_program_wrote_as_json_is_the_same_after_addition_and_removal(
    document: dict[str, Any], servers: dict[str, Any] | None, indent: int | str | None
) -> None:
    text = json.dumps({**document, "mcpServers": {"other": {}, **(servers or {})}}, indent=indent).encode()
    after = add_entry(text, "json", ("mcpServers", "wfe"), ENTRY)
    assert json.loads(after)["mcpServers"]["wfe"] == ENTRY
    assert remove_entry(after, "json", ("mcpServers", "wfe")) in (text, text.replace(b'{"other"', b'{ "other"'))


TOML_VALUES = st.dictionaries(
    st.text("abc-", min_size=1, max_size=5), st.booleans() | st.integers(-9, 9) | NAMES, max_size=3
)


@given(
    st.dictionaries(
        st.text("abc-", min_size=1, max_size=5).filter(lambda name: name != "wfe"), TOML_VALUES, max_size=3
    ),
    st.booleans(),
    st.booleans(),
)
def test_an_entry_in_toml_is_added_and_removed_and_nothing_else_changes(
    servers: dict[str, Any], windows: bool, ended: bool
) -> None:
    import tomli_w

    text = "# mine\nmodel = 'x' # [mcp_servers.wfe]\nlong = '''\n[mcp_servers.no]\n'''\n"
    text += tomli_w.dumps({"mcp_servers": servers} if servers else {}) + "# the end"
    before = (text.replace("\n", "\r\n") if windows else text).encode() + (b"\n" if ended else b"")
    after = add_entry(before, "toml", ("mcp_servers", "wfe"), ENTRY)
    assert after.startswith(before)
    assert tomllib.loads(after.decode())["mcp_servers"] == {**servers, "wfe": ENTRY}
    left = remove_entry(after, "toml", ("mcp_servers", "wfe"))
    assert left.startswith(before) and not left[len(before) :].strip()


@given(SERVERS, st.sampled_from([2, 4]), st.booleans(), st.booleans())
def test_an_entry_in_yaml_is_added_and_removed_and_nothing_else_changes(
    servers: dict[str, Any] | None, indent: int, flow: bool, windows: bool
) -> None:
    document = {"GOOSE_MODE": "auto", **({} if servers is None else {"extensions": servers}), "last": [1, 2]}
    text = "# mine\n" + yaml.safe_dump(
        document, indent=indent, default_flow_style=flow, sort_keys=False, allow_unicode=True
    )
    before = (text.replace("\n", "\r\n") if windows else text).encode()
    after = add_entry(before, "yaml", ("extensions", "wfe"), ENTRY)
    assert is_addition(before, after)
    assert yaml.safe_load(after) == {**document, "extensions": {**(servers or {}), "wfe": ENTRY}}
    left = yaml.safe_load(remove_entry(after, "yaml", ("extensions", "wfe")))
    assert {**left, "extensions": left.get("extensions") or {}} == {**document, "extensions": servers or {}}


ROUND_TRIPS: list[tuple[Format, str, str]] = [
    (
        "jsonc",
        '{\n  // mine\n  "a": {}, // last\n}\n',
        '{\n  "s": {\n    "wfe": 1\n  },\n  // mine\n  "a": {}, // last\n}\n',
    ),
    ("jsonc", '{ // head\n\t"s": {\n\t\t"a": 1\n\t}\n}', '{ // head\n\t"s": {\n\t\t"wfe": 1,\n\t\t"a": 1\n\t}\n}'),
    ("json", '{"s": {"a": 1}}', '{"s": {"wfe": 1, "a": 1}}'),
    ("json", "{}\n", '{\n  "s": {\n    "wfe": 1\n  }\n}\n'),
    ("json", "", '{\n  "s": {\n    "wfe": 1\n  }\n}\n'),
    ("jsonc", "{\n  // none yet\n}", '{\n  "s": {\n    "wfe": 1\n  }\n  // none yet\n}'),
    ("yaml", "a: 1\n", "a: 1\ns:\n  wfe: 1\n"),
    ("yaml", "", "s:\n  wfe: 1\n"),
    ("yaml", "s: # mine\n    # of a\n    a: 1\nb: 2\n", "s: # mine\n    wfe: 1\n    # of a\n    a: 1\nb: 2\n"),
    ("yaml", "s: {}\n", 's: {"wfe": 1}\n'),
    ("yaml", "s:\nb: 2\n", "s:\n  wfe: 1\nb: 2\n"),
    ("yaml", "{s: {a: 1}}\n", '{s: {"wfe": 1, a: 1}}\n'),
    ("yaml", "{a: 1}\n", '{"s": {"wfe": 1}, a: 1}\n'),
]


@pytest.mark.parametrize(("form", "before", "after"), ROUND_TRIPS)
def test_an_entry_looks_like_what_is_around_it(form: Format, before: str, after: str) -> None:
    assert add_entry(before.encode(), form, ("s", "wfe"), 1).decode() == after


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        ("json", '{"s": {"a": 1, "wfe": {}}}', '{"s": {"a": 1}}'),
        ("json", '{"s": {"wfe": {}}}', '{"s": {}}'),
        ("jsonc", '{"s": {"a": 1, // of a\n  "wfe": {}\n}}', '{"s": {"a": 1 // of a\n}}'),
        ("jsonc", '{"s": {"a": 1, "wfe": {},}}', '{"s": {"a": 1,}}'),
        ("yaml", "s:\n  a: 1\n  wfe:\n    x: 1\n  # of b\n  b: 2\n", "s:\n  a: 1\n  # of b\n  b: 2\n"),
        ("yaml", "s:\n  a: 1\n  wfe:\n    x: 1", "s:\n  a: 1\n"),
        ("yaml", "s: {a: 1, wfe: {x: 1}}\n", "s: {a: 1}\n"),
        ("yaml", "s: {wfe: {x: 1}, a: 1}\n", "s: {a: 1}\n"),
        ("yaml", "s: {wfe: {x: 1}}\n", "s: {}\n"),
        ("toml", "[s.wfe]\nx = 1\n[s.wfe.env]\ny = 2\n\n# of b\n[b]\n", "\n# of b\n[b]\n"),
        ("toml", 'a = 1\n[s."wfe"] # here\nx = 1\n', "a = 1\n"),
        ("toml", "n = '''\n[s.wfe]\n'''\n[s.wfe]\nx = 1\n", "n = '''\n[s.wfe]\n'''\n"),
        ("toml", "[s.wfe]\nx = 1\n[[b]]\ny = 2\n", "[[b]]\ny = 2\n"),
    ],
)
def test_an_entry_that_a_user_wrote_is_cut_out(form: Format, before: str, after: str) -> None:
    assert remove_entry(before.encode(), form, ("s", "wfe")).decode() == after


@pytest.mark.parametrize(
    ("form", "path", "before"),
    [
        ("yaml", ("extensions", "wfe"), b"a: 1\n"),
        ("yaml", ("extensions", "wfe"), b"a: 1\nextensions:\n"),
        ("yaml", ("extensions", "wfe"), b"a: 1\nextensions: {}\n"),
        ("yaml", ("extensions", "wfe"), b"extensions:\n  other: 1\n"),
        ("toml", ("mcp_servers", "wfe"), b"a = 1\n"),
        ("json", ("mcpServers", "wfe"), b'{\n  "a": 1\n}\n'),
        ("json", ("mcpServers", "wfe"), b'{"mcpServers": {"a": 1}, "mcpServers": {}}\n'),
    ],
)
def test_what_holds_an_entry_goes_with_it_where_the_file_did_not_have_it(
    form: Format, path: tuple[str, str], before: bytes
) -> None:
    assert cut(add_entry(before, form, path, {"command": "wfe-mcp"}), form, path, before=(before,)) == before


def test_an_element_of_a_list_is_added_first_and_cut_out() -> None:
    text = b'{\n  "allow": [\n    "Bash(ls)"\n  ]\n}'
    after = add_entry(text, "json", ("allow",), ["mcp__wfe"])
    assert after == b'{\n  "allow": [\n    "mcp__wfe",\n    "Bash(ls)"\n  ]\n}'
    assert remove_entry(after, "json", ("allow",), "mcp__wfe") == text
    assert add_entry(b'{"allow": []}', "json", ("allow",), ["x"]) == b'{"allow": ["x"]}'


@pytest.mark.parametrize(
    ("form", "text", "answer"),
    [
        ("json", b"{", "line 1: expected a key in double quotes"),
        ("json", b'{\n"a": 1\n"b"', "line 3: expected , or }"),
        ("json", b'{"a" 1}', "expected : after the key"),
        ("json", b'{"a": }', "expected a value"),
        ("json", b'{"a": "\\x"}', "is not a value"),
        ("json", b"{} {}", "the document ends before this"),
        ("json", b'{\n"a": 1, // why\n"b": 2}', "line 2: a comment or trailing comma, which its client does not read"),
        ("json", b'{"a": 1,}', "line 1: a comment or trailing comma"),
        ("json", b"[]", "no table"),
        ("json", b"[" * 300, "deeper than 200"),
        ("json", b'{"a": "\xff"}', "line 1: byte 7 is not UTF-8"),
        ("toml", b"a = 1\na = 2\n", "line 2: Cannot overwrite a value"),
        ("toml", b"x", "line 1"),
        ("yaml", b"a: [1\nb: }", "line 2"),
        ("yaml", b"a: !!timestamp x", "AttributeError"),
        ("yaml", b"- 1", "no table"),
    ],
)
def test_a_broken_file_is_named_with_its_line(form: Format, text: bytes, answer: str) -> None:
    with pytest.raises(Unreadable) as refused:
        parse_document(text, form)
    assert answer in str(refused.value)


@pytest.mark.parametrize(
    ("change", "form", "text", "path"),
    [
        (add_entry, "json", '{"s": []}', ("s", "wfe")),
        (add_entry, "json", '{"s": 1}', ("s", "wfe")),
        (add_entry, "toml", "s = {a = 1}\n", ("s", "wfe")),
        (add_entry, "yaml", "s: 1\n", ("s", "wfe")),
        (add_entry, "yaml", "{s: , a: 1}\n", ("s", "wfe")),
        (add_entry, "yaml", "- s\n", ("s", "wfe")),
        (remove_entry, "yaml", "a: 1\n", ("s", "wfe")),
        (remove_entry, "yaml", "s: 1\n", ("s", "wfe")),
        (add_entry, "yaml", "a: 1\n...\n", ("s", "wfe")),
        (remove_entry, "toml", "s = {wfe = {x = 1}}\n", ("s", "wfe")),
        (remove_entry, "toml", "[s]\nwfe.x = 1\n", ("s", "wfe")),
        (remove_entry, "json", '{"s": {"wfe": 1, "wfe": 2}}', ("s", "wfe")),
    ],
)
def test_a_form_that_cannot_be_spliced_is_refused(
    change: Callable[..., bytes], form: Format, text: str, path: tuple[str, ...]
) -> None:
    with pytest.raises((Unsplicable, Unreadable)):
        change(text.encode(), form, path, *([] if change is remove_entry else [{"x": 1}]))


def test_the_value_at_a_path_that_is_not_there_is_none() -> None:
    assert value_at({"a": {"b": 1}}, ("a", "b")) == 1
    assert value_at({"a": 1}, ("a", "b")) is None
