"""No logic reads a sentence of our own: what a caller may decide on is a code, an outcome or a column.

A sentence is whatever is named like one (``message``, ``reason``, ``hint`` …). What others write (a compiler, git, a model)
is read where it arrives; each such place is named below with its reason.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import get_args

import pytest

from tests.house.sources import nodes
from wfe_mcp.core.errors import Code

SENTENCES = {"message", "summary", "sentence", "reason", "hint", "fault", "why", "warning", "blocker"}
"""What is always one; of these names and attributes only the first line, or the end of a sentence, may be taken."""
TEXTS = {"text", "told", "said", "shown", "detail", "line", "note", "what", "name"}
"""What may be one: it is where prose is looked for in it."""
READING = {
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "partition",
    "rpartition",
    "split",
    "find",
    "index",
}
SHOWN_ONLY = {"views", "cli", "dashboard", "server", "core", "store"}
"""The packages that no text of another program reaches: here no pattern holds prose either."""
PROSE = re.compile(r"[A-Za-z]{2,}[,.:;]? [A-Za-z(]|[A-Za-z]{2,}: $|^ ?[a-z]+ $")
CODED = re.compile(rf"(?:{'|'.join(get_args(Code))}): ")

OF_GIT = "git wrote it"
OF_SDK = "the provider's library wrote it"
OF_FILES = "the text of a file, not a sentence"
OF_LOGS = "a mark in a stored log, which has no other place for it"
OLD = "the one place that reads the verdicts of earlier versions"
ALLOWED = {
    "str(row[0]).removeprefix('*** in database main ***')": "SQLite wrote it",
    "text.find(old)": OF_FILES,
    "text.find(old, at + len(old))": OF_FILES,
    "text.index(old)": OF_FILES,
    "text.startswith(_BOM)": OF_FILES,
    "SHOWN in text": OF_LOGS,
    "text.startswith(_CUT)": OF_LOGS,
    "text.startswith(quote, position)": "the source of an expression",
    "'JSON' in error.message": OF_SDK,
    "'decode' in error.message": OF_SDK,
    "'without content' in error.message": OF_SDK,
    "message.startswith('collection failure')": "pytest wrote it",
    "text.removeprefix('ref: ')": OF_GIT,
    "'no test specified' not in text": "npm wrote it",
    "message.endswith(_ALLOWED)": OLD,
    "message.removeprefix(beginning)": OLD,
    "message.startswith(_OVERRULED)": OLD,
    "message.startswith(beginning)": OLD,
    "text.startswith(_SESSION_TEXT_PREFIX)": OF_FILES,
    "text.startswith(f'{prefix} ')": "a command of the shell",
    "line.partition('=')[0].removeprefix('export ')": OF_FILES,
    "self.text.find(sign, self.at)": "a command of the shell",
    "words in no.message": OF_GIT,
    "section.text.split('**Why this priority**')": OF_FILES,
    "'mount proc' in fault": "bubblewrap wrote it",
    "'retries' in error.message": OF_SDK,
    "'token' in error.message": OF_SDK,
    "str(fault).partition(' (at ')": "Python's TOML reader wrote it",
}
"""Expression → why it may stay."""

WORDS_THEM = "readers.py"
"""The one module that words a hint for an agent anew for the person who reads it; nothing is decided by it."""

ONCE = {
    "message.endswith(_ALLOWED)": "views",
    "message.startswith(begins)": "views",
    "message.removeprefix(begins)": "views",
    "verdict.message.removeprefix(_SKIPPED).strip()": "views",
    "message.partition(' (')[0]": "views",
    "judgement.message.removeprefix('passed with a warning: ')": "gates",
    "[text for text in blockers(found) if text.startswith(f'{phase} waits for ')]": "views",
    "state.status in _STOPPED and why in state.reason": "views",
    "[text for text in run.blockers if text.startswith(f'{phase} ')]": "dashboard",
    "first.partition(chr(10))[0].removeprefix(f'The run is {run.state}: ')": "views",
    "{'retry': message.endswith('to it.')}": "store",
    "hint.startswith('Did you mean')": "cli",
    "any(text.endswith(each) for each in commands)": "cli",
    "re.compile(' (?:is manual: |waits for the opinion of )')": "cli",
    "answer.summary.partition(' phases done')[2]": "cli",
    "f'needs_trust: this project has no trusted check {check!r} yet.'": "engine",
    "f'needs_trust: {untrusted.fault}'": "engine",
    "fault.endswith('not pinned')": "engine",
    "str(output['tail']).partition('Last lines of its output: ')[2]": "views",
    "reason.partition(' could not start. ')[2]": "engine",
    "'There is no program' in reason": "engine",
    "faults[0].message.removeprefix('this: ')": "engine",
    "headers['Wfe-Tree'] not in refused.message": "server",
    "judgement.message.split(chr(10), 1)[0].split(' Next: ', 1)[0]": "gates",
    "difference.what.startswith('reviewer ')": "engine",
    "_OPINION_KEYS.get(difference.what, ('approver',))": "engine",
    "detail.name == 'ignored files that may matter'": "views",
    "pull.why == 'ci still running'": "delivery",
    """RUN.c.state.not_like('%"going_back":null%')""": "store",
    """ATTEMPT.c.state.not_like('%"mending":""%')""": "store",
}
"""What the code had once, and where."""


def test_no_logic_reads_a_sentence_of_our_own() -> None:
    found = {
        ast.unparse(node)
        for name, module in nodes("wfe_mcp").items()
        if not name.endswith(f"/{WORDS_THEM}")
        for node in read_sentences(module, name.split("/")[1])
    }

    assert sorted(found - ALLOWED.keys()) == []
    assert sorted(ALLOWED.keys() - found) == [], "these are gone: take them from the list"


@pytest.mark.parametrize(("source", "package"), ONCE.items())
def test_what_the_code_had_once_would_be_found(source: str, package: str) -> None:
    assert list(read_sentences(ast.walk(ast.parse(source)), package))


@pytest.mark.parametrize(
    "source",
    [
        "reason.partition(chr(10))[0]",
        "message.removesuffix('.')",
        "text.startswith('{')",
        "path.endswith('.py')",
        "verdict.outcome is GateOutcome.SKIPPED",
        "refused.code == 'needs_trust'",
    ],
)
def test_what_is_no_sentence_is_left_alone(source: str) -> None:
    assert not list(read_sentences(ast.walk(ast.parse(source)), "views"))


def read_sentences(module: Iterable[ast.AST], package: str) -> Iterator[ast.expr]:
    """The expressions among the nodes of a module that decide by the words of a sentence."""
    for node in module:
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr=method), args=[wanted, *_]) if method in READING:
                if _is_read(of, wanted) or (package in SHOWN_ONLY and PROSE.search(_literal(wanted))):
                    yield node
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Attribute(attr=name), *_]):
                if name in {*SENTENCES, "what"}:
                    yield node
            case ast.Compare(left=of, ops=[ast.Eq() | ast.NotEq()], comparators=[wanted]):
                if _name(of) in SENTENCES | TEXTS and PROSE.search(_literal(wanted)):
                    yield node
            case ast.Call(func=ast.Attribute(attr="like" | "not_like" | "ilike" | "not_ilike")):
                yield node
            case ast.Call(func=ast.Attribute(value=ast.Name("re")), args=[wanted, *_]) if package in SHOWN_ONLY:
                if PROSE.search(_literal(wanted)):
                    yield node
            case ast.Compare(left=wanted, ops=[ast.In() | ast.NotIn()], comparators=[of]):
                if _is_read(of, wanted):
                    yield node
            case ast.JoinedStr() | ast.Constant(value=str()) if CODED.match(_literal(node)):
                yield node
            case _:
                pass


def _is_read(of: ast.expr, wanted: ast.expr) -> bool:
    literal, name = _literal(wanted), _name(of)
    is_named = isinstance(wanted, ast.Name | ast.Attribute | ast.Subscript)
    if name in SENTENCES:
        return is_named or re.fullmatch(r"[\s.]*", literal) is None
    return name in TEXTS and (PROSE.search(literal) is not None or (is_named and name == "text"))


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name("str"), args=[of]):
            return _name(of)
        case ast.Subscript(value=ast.Call(func=ast.Attribute(value=of, attr=method))) if method in READING:
            return _name(of)
        case _:
            return ""


def _literal(node: ast.expr) -> str:
    """The text of a literal; of one with values in it, a letter pair for each."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_literal(part) if isinstance(part, ast.Constant) else "xx" for part in parts)
        case ast.Tuple(elts=parts):
            return "\n".join(map(_literal, parts))
        case _:
            return ""
