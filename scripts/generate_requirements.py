"""Writes docs/reference/requirements.md: each requirement of tests/requirements.toml with the tests that prove it.

    @pytest.mark.requirement("S2-06", "B-14")       on any test

python scripts/generate_requirements.py          write the page where it differs
python scripts/generate_requirements.py --check  write nothing; exit 1 when it differs

Both refuse a test that names an unknown id, and an id with neither a test nor a reason under [gaps].
"""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/reference/requirements.md"
MANIFEST = "tests/requirements.toml"
FAMILIES = {
    "S0": "A session engine that keeps files",
    "S1": "A specification without code",
    "S2": "A control centre for issues",
    "S3": "A runner of milestones",
    "S4": "A hub for a team of agents",
    "B": "Where this project must do better",
    "E": "Errors of this project that were found in use",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The requirements, the known gaps, and the tests that name each id."""

    titles: Mapping[str, str]
    gaps: Mapping[str, str]
    tests: Mapping[str, Sequence[str]]

    def faults(self) -> list[str]:
        """Every mismatch between ids and tests; empty when there is none."""
        unknown = [
            f"{id_} is no id of {MANIFEST}, but {test} names it"
            for id_, tests in self.tests.items()
            if id_ not in self.titles
            for test in tests
        ]
        bare = [
            f"{id_} ({title}) has no test. Mark one, or give the reason under [gaps]"
            for id_, title in self.titles.items()
            if id_ not in self.tests and id_ not in self.gaps
        ]
        stray = [f"[gaps] names {id_}, which is no id" for id_ in self.gaps if id_ not in self.titles]
        empty = [f"[gaps] gives no reason for {id_}" for id_, reason in self.gaps.items() if not reason.strip()]
        return [*unknown, *bare, *stray, *empty]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when the page is as generated (now), 1 when stale or when ids and tests do not match, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    found = manifest(root)
    faults = found.faults()
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    path, wanted = root / PAGE, page(found)
    if path.is_file() and path.read_text(encoding="utf-8") == wanted:
        return 0
    if "--check" in arguments:
        print(f"{PAGE} is not what the tests say. Next: python scripts/generate_requirements.py", file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8", newline="\n")
    print(PAGE)
    return 0


def manifest(root: Path = ROOT) -> Manifest:
    """The manifest and the marks below ``root``."""
    said = tomllib.loads((root / MANIFEST).read_text(encoding="utf-8"))
    tests: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for id_, test in _marks(root, path):
            tests.setdefault(id_, []).append(test)
    return Manifest(said["ids"], said["gaps"], tests)


def page(found: Manifest) -> str:
    """The whole page."""
    return "\n".join(_lines(found)) + "\n"


def _marks(root: Path, path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    if "mark.requirement(" not in text:
        return
    where = path.relative_to(root / "tests").as_posix()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.requirement"):
                    yield from ((str(ast.literal_eval(id_)), f"{where}::{node.name}") for id_ in mark.args)


def _lines(found: Manifest) -> Iterator[str]:
    shown = sum(id_ in found.tests for id_ in found.titles)
    whole = sum(id_ in found.tests and id_ not in found.gaps for id_ in found.titles)
    yield "<!-- Written by scripts/generate_requirements.py from tests/requirements.toml and the marks of the tests. -->"
    yield ""
    yield "# Requirements"
    yield ""
    yield "What earlier systems promise or lack, errors of this project that were found in use, and the tests of each."
    yield f"Of {len(found.titles)} requirements, {shown} have tests, {whole} of them without a known gap."
    for family, heading in FAMILIES.items():
        yield ""
        yield f"## {heading}"
        yield ""
        yield "| id | requirement | tests | gap |"
        yield "|---|---|---|---|"
        for id_, title in found.titles.items():
            if id_.split("-")[0] == family:
                tests = "<br>".join(f"`{test}`" for test in found.tests.get(id_, ()))
                yield f"| {id_} | {_cell(title)} | {tests} | {_cell(found.gaps.get(id_, ''))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
