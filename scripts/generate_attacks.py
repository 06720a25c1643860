"""Writes docs/reference/attacks.md from the marks of the tests.

    @pytest.mark.attack("the attempt", "held", "T5")      in any test file; the third argument is optional

python scripts/generate_attacks.py          write the page where it differs
python scripts/generate_attacks.py --check  write nothing; exit 1 when it differs
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.generated import write_or_check  # noqa: E402 - after the path is set

PAGE = "docs/reference/attacks.md"
VERDICTS = ("held", "detected", "declared")
OWN = "our own list"


@dataclass(frozen=True, slots=True, order=True)
class Attack:
    """One mark of one test."""

    source: str
    name: str
    verdict: str
    test: str


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(arguments, __file__, __doc__, lambda: {root / PAGE: page(ROOT)})


def attacks(root: Path = ROOT) -> list[Attack]:
    """Every mark of every test, by source and name. ValueError for a mark without a name or with another verdict."""
    return sorted(one for path in (root / "tests").rglob("test_*.py") for one in _of_file(root, path))


def page(root: Path = ROOT) -> str:
    """The whole page."""
    return "\n".join(_lines(attacks(root))) + "\n"


def _of_file(root: Path, path: Path) -> tuple[Attack, ...]:
    text = path.read_text(encoding="utf-8")
    return _of_text(path.relative_to(root).as_posix(), text) if "mark.attack(" in text else ()


@cache  # to parse all tests takes a second, and a check, a page and a table each ask for it
def _of_text(where: str, text: str) -> tuple[Attack, ...]:
    return tuple(
        _attack(mark, f"{where}::{node.name}")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.attack")
    )


def _attack(mark: ast.Call, test: str) -> Attack:
    said = [str(ast.literal_eval(word)).strip() for word in (*mark.args, *(each.value for each in mark.keywords))]
    name, verdict, source = [*said, OWN] if len(said) == 2 else [*said, "", "", ""][:3]
    if not name or verdict not in VERDICTS or not source:
        raise ValueError(f"{test}: an attack has a name, {', '.join(VERDICTS)}, and perhaps a source; got {said}")
    return Attack(source, name, verdict, test)


def _lines(found: Sequence[Attack]) -> Iterator[str]:
    held, detected, declared = (sum(one.verdict == verdict for one in found) for verdict in VERDICTS)
    yield "<!-- Written by scripts/generate_attacks.py from the marks of the tests. -->"
    yield ""
    yield "# Attacks"
    yield ""
    yield f"Each row is a test that tries it: {held} are held, {detected} are detected, {declared} are declared. [The threat"
    yield "model](../explanation/threat-model.md) says who the adversaries are and why some things are only detected."
    yield "`python -m bench attacks` plays all of them against the installed wheel."
    yield ""
    yield "- **held**: it does not work, and what it asked for is refused or has no effect."
    yield "- **detected**: anyone with your account can do it, and `wfe-mcp verify`, the log or the next approval"
    yield "  shows that it was."
    yield "- **declared**: it works for a program with your account; [SECURITY.md](../../SECURITY.md) says so, and what to do."
    yield ""
    yield "T1 to T16 are the threats of the [threat model](../explanation/threat-model.md). *Passed at* names a tool at which"
    yield "the same attack had its way, *seen at* one whose users reported it."
    yield ""
    yield "| attack | source | result | test |"
    yield "|---|---|---|---|"
    for one in found:
        yield f"| {_cell(one.name)} | {_cell(one.source)} | {one.verdict} | `{one.test.removeprefix('tests/')}` |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
