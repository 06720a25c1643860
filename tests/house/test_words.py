"""Documentation, help and messages use standard terms: a private word has a row here with the term to write instead."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import nodes
from wfe_mcp.cli.app import COMMANDS, main

FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)

TERMS = {
    r"mend(s|ed|ing)?": "fix, repair",
    r"ma(ke|kes|de|king) good": "fix, repair",
    r"a yes": "an approval",
    r"a no": "a rejection",
    r"sa(y|ys|id) (yes|no)": "approve; reject, fail",
    r"somebody|anybody|whoever": "a user, the caller, anyone who",
    r"nobody recorded": "not in a checkpoint",
    r"nobody": "no one, only you",
    r"waiting for nobody": "finished",
    r"told|telling": "reported",
    r"hand(s|ed|ing)? in": "submit",
    r"t(ake|akes|aken|ook) back": "withdraw, undo",
    r"mean(s|t)? nothing": "is not possible now",
    r"st(and|ands|ood) (at|in|where|as)": "is",
    r"where it (once )?st(ands|ood)": "its state",
    r"go(es)? on|going on|went on": "continue",
    r"(begin(s|ning)? )?anew": "restart, again",
    r"as they were then": "restored",
    r"by hand": "manual",
    r"put(s|ting)? away": "archive",
    r"(put )?in use again": "re-enabled",
    r"le(t|ts|tting) (it )?in": "pin",
    r"waits for trust": "needs trust",
    r"what was looked at": "reviewed",
    r"other ones than": "changed since",
    r"doors?": "interface",
    r"desks?": "engine",
}
"""Private word, as a pattern of whole words → the term to write. From the glossary of the terminal's texts."""


def whole_words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])".replace(" ", r"\s+"), re.IGNORECASE)


ANY_TERM = whole_words("|".join(TERMS))

REPLAYED = "A phase in it waited for a person, and the loop around it went on."
"""Stored runs hold this reason, and replaying their events must yield it again."""


def private_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, word and term of each private word outside fenced blocks. A phrase may span lines."""
    prose = FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    if not ANY_TERM.search(prose):  # of 2,000 messages none has one: 35 searches of each took five seconds
        return
    for words, term in TERMS.items():
        for found in whole_words(words).finditer(prose):
            yield prose.count("\n", 0, found.start()) + 1, found[0], term


def report(name: str, text: str) -> list[str]:
    return [f"{name}:{line}: {word!r}: write {term}" for line, word, term in sorted(private_words(text))]


def test_the_documentation_uses_standard_terms(pages: list[Path], root: Path) -> None:
    names = {page.relative_to(root).as_posix(): page for page in pages}
    prose = {
        name: page
        for name, page in names.items()
        if name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
        or (name.startswith("docs/") and not name.startswith("docs/adr/"))
    }

    assert {"README.md", "docs/index.md", "docs/reference/commands.md"} <= set(prose)
    found = [line for name, page in prose.items() for line in report(name, page.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_the_help_of_every_command_uses_standard_terms(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0

    text = capsys.readouterr().out
    assert "wfe-mcp" in text
    found = report(f"wfe-mcp {words} --help", text)
    assert not found, "\n".join(found)


def test_messages_use_standard_terms() -> None:
    texts = {path: [*sentences(found)] for path, found in nodes("wfe_mcp").items()}

    assert sum(map(len, texts.values())) > 2_000
    found = [
        f"{path}:{line}: {word!r}: write {term}"
        for path, strings in texts.items()
        for line, text in strings
        for _, word, term in private_words(text)
    ]
    assert not found, "\n".join(found)


def test_what_the_plugin_teaches_uses_standard_terms(root: Path) -> None:
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in (root / "wfe_mcp/clients/plugin_files").rglob("*.md")
    }

    assert {"SKILL.md", "start.md"} <= set(texts)
    found = [line for name, text in texts.items() for line in report(name, text)]
    assert not found, "\n".join(found)


def test_the_templates_use_standard_terms(root: Path) -> None:
    ids = re.compile(r'"(?:id|artifact|file)": *"[^"]*"')
    files = [file for end in ("md", "json") for file in sorted((root / "templates").rglob(f"*.{end}"))]
    texts = {file.relative_to(root).as_posix(): ids.sub("", file.read_text(encoding="utf-8")) for file in files}

    assert "templates/milestones/template.json" in texts
    found = [line for name, text in texts.items() for line in report(name, text)]
    assert not found, "\n".join(found)


def sentences(module: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and text of each string of more than one word that is no docstring."""
    docstrings = {id(node.value) for node in module if isinstance(node, ast.Expr)}
    for node in module:
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str) and " " in node.value.strip() and node.value != REPLAYED:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mend it.", [(1, "Mend")]),
        ("One.\nIt begins\nanew.", [(2, "begins\nanew")]),
        ("```sh\ncancel --reason 'nobody needs it'\n```\nNobody.", [(4, "Nobody")]),
        ("[a gate](when-a-gate-says-no.md) that recommends a no-op", []),
    ],
)
def test_a_private_word_is_found_in_prose_only(text: str, found: list[tuple[int, str]]) -> None:
    assert [(line, word) for line, word, _ in private_words(text)] == found


def identifier(node: ast.AST) -> str:
    """The name that a node of code gives to something; empty for others."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "" if node.name == "said" else node.name  # a method of Listener, which packages of providers implement
    return node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""


def test_names_in_the_code_say_what_they_are() -> None:
    private = re.compile(
        r"_?(told|handed_?in|hand_in|said|standing|somebody|nobody|whoever|story|mend(ed|ing\w*)?|put_away|surroundings|hear(d|d_at|ing)?|rooms|let_(run_)?go)",
        re.IGNORECASE,
    )
    files = nodes("wfe_mcp")

    found = [
        f"{name}: {identifier(node)}"
        for name, module in files.items()
        for node in module
        if private.fullmatch(identifier(node))
        if name != "wfe_mcp/importers/spec_kit.py"  # its user stories are stories
    ]

    assert len(files) > 500
    assert found == []


NAME_TERMS = whole_words("|".join([*TERMS, "tells?"]))
TEST = re.compile(r"^ *(?:async )?def test_", re.MULTILINE)


def test_the_names_and_texts_of_tests_use_standard_terms(root: Path) -> None:
    """Names read as sentences; docstrings and comments as prose. What a test types or compares may be any text."""
    count, found = 0, list[str]()
    for path in sorted((root / "tests").rglob("*.py")):
        if path.name == "test_words.py":
            continue
        source = path.read_text(encoding="utf-8")
        count += len(TEST.findall(source))
        if not NAME_TERMS.search(
            source.replace("_", " ")
        ):  # four files in five: to parse and tokenize them takes seconds
            continue
        for line, text in texts_of(source):
            found += [f"{path.relative_to(root)}:{line}: {match[0]!r}" for match in NAME_TERMS.finditer(text)]

    assert count > 4_000
    assert found == []


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and text: each function's name, with spaces, each docstring and each comment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name.replace("_", " ")
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
