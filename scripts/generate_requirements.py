"""Writes the two pages about the requirements of tests/requirements.toml, from that file and the marks of the tests:
docs/reference/requirements.md (each id with its tests) and docs/explanation/prior-systems.md (each id of an earlier system with
its state, what is left, and why).

    @pytest.mark.requirement("S2-06", "B-14")       on any test

python scripts/generate_requirements.py          write the pages that differ
python scripts/generate_requirements.py --check  write nothing; exit 1 when one differs
python scripts/generate_requirements.py --print  write nothing; print each id with its state and its first test

All refuse a test that names an unknown id, and an id with neither a test nor a reason.
"""

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/reference/requirements.md"
STATES_PAGE = "docs/explanation/prior-systems.md"
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
SYSTEMS = {
    "S0": "ai-workflow-engine: a session with one model plans, generates, reviews and revises; it keeps its state in files. "
    "Here it is the templates `plan_generate_review` and `jpa_mt`.",
    "S1": "The specification of a workflow engine with validated artifacts and a dashboard, without a program. Here it is the "
    "engine itself and the template `compound`.",
    "S2": "AFU-9: workflows in JSON whose steps call tools, and a control centre around them. Here they are phases of kind "
    "`steps`, an importer, and six templates.",
    "S3": "aiw: milestones of a Markdown file, a branch for each, a commit for each task. Here it is the template `milestones` "
    "and the commands of `plan`.",
    "S4": "Workflow Hub: roles from requirements to deployment that hand work over by reports. Here it is the template "
    "`role_pipeline`, and the durable queue.",
}
STATES = ("done", "partly", "not yet", "left out")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The requirements, what is left of them in each area, what is left out, and the tests that name each id."""

    titles: Mapping[str, str]
    areas: Mapping[str, str]
    left: Mapping[str, Mapping[str, str]]
    left_out: Mapping[str, str]
    tests: Mapping[str, Sequence[str]]

    def reasons(self) -> Iterator[tuple[str, str, str]]:
        """Id, area and reason of each line; the area is empty for what is left out."""
        yield from ((id_, "", reason) for id_, reason in self.left_out.items())
        yield from ((id_, area, reason) for area, rows in self.left.items() for id_, reason in rows.items())

    def state(self, id_: str) -> str:
        """One of ``STATES``."""
        if id_ in self.left_out:
            return "left out"
        if any(id_ in rows for rows in self.left.values()):
            return "partly" if id_ in self.tests else "not yet"
        return "done"

    def faults(self) -> list[str]:
        """Every mismatch between ids, reasons and tests; empty when there is none."""
        reasons = [*self.reasons()]
        counted = Counter(id_ for id_, _, _ in reasons)
        unknown = [
            f"{id_} is no id of {MANIFEST}, but {test} names it"
            for id_, tests in self.tests.items()
            if id_ not in self.titles
            for test in tests
        ]
        bare = [
            f"{id_} ({title}) has no test. Mark one, or give the reason under [left.AREA] or [left_out]"
            for id_, title in self.titles.items()
            if id_ not in self.tests and id_ not in counted
        ]
        stray = [f"A reason names {id_}, which is no id" for id_ in counted if id_ not in self.titles]
        twice = [f"{id_} has {count} reasons. Keep one" for id_, count in counted.items() if count > 1]
        empty = [f"{id_} has an empty reason" for id_, _, reason in reasons if not reason.strip()]
        homeless = [
            f"[left.{area}] is no area. [areas] has: {', '.join(self.areas)}"
            for area in self.left
            if area not in self.areas
        ]
        return [*unknown, *bare, *stray, *twice, *empty, *homeless]

    @staticmethod
    def why(area: str, reason: str) -> str:
        """A reason with the area that completes it."""
        return f"{reason} ({area})" if area else reason


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when the pages are as generated (now), 1 when stale or when ids and tests do not match, 2 when misused."""
    if set(arguments) - {"--check", "--print"}:
        print(__doc__, file=sys.stderr)
        return 2
    found = manifest(root)
    faults = found.faults()
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    if "--print" in arguments:
        print(*_table(found), sep="\n")
        return 0
    pages = {PAGE: page(found), STATES_PAGE: states_page(found)}
    stale = [name for name, wanted in pages.items() if not _is(root / name, wanted)]
    if stale and "--check" in arguments:
        print(
            f"{', '.join(stale)}: not what the tests say. Next: python scripts/generate_requirements.py",
            file=sys.stderr,
        )
        return 1
    for name in stale:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(pages[name], encoding="utf-8", newline="\n")
        print(name)
    return 0


def manifest(root: Path = ROOT) -> Manifest:
    """The manifest and the marks below ``root``."""
    read = tomllib.loads((root / MANIFEST).read_text(encoding="utf-8"))
    tests: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for id_, test in _marks(root, path):
            tests.setdefault(id_, []).append(test)
    return Manifest(
        read["ids"],
        read.get("areas", {}),
        read.get("left", {}),
        read.get("left_out", {}),
        tests,
    )


def page(found: Manifest) -> str:
    """The page of tests: all ids, each with all its tests."""
    return "\n".join(_lines(found)) + "\n"


def states_page(found: Manifest) -> str:
    """The page of states: the ids of earlier systems, each with its state, what is left and one test."""
    return "\n".join(_state_lines(found)) + "\n"


def _is(path: Path, wanted: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == wanted


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
    whole = sum(found.state(id_) == "done" for id_ in found.titles)
    reasons = {id_: found.why(area, reason) for id_, area, reason in found.reasons()}
    yield "<!-- Written by scripts/generate_requirements.py from tests/requirements.toml and the marks of the tests. -->"
    yield ""
    yield "# Requirements"
    yield ""
    yield "What earlier systems promise or lack, errors of this project that were found in use, and the tests of each."
    yield f"Of {len(found.titles)} requirements, {shown} have tests, {whole} of them without a known gap."
    yield "[Five earlier systems](../explanation/prior-systems.md) explains the states."
    for family, heading in FAMILIES.items():
        yield ""
        yield f"## {heading}"
        yield ""
        yield "| id | requirement | state | tests | what is missing, or why |"
        yield "|---|---|---|---|---|"
        for id_ in _of(found, family):
            tests = "<br>".join(f"`{test}`" for test in found.tests.get(id_, ()))
            yield f"| {id_} | {_cell(found.titles[id_])} | {found.state(id_)} | {tests} | {_cell(reasons.get(id_, ''))} |"


def _state_lines(found: Manifest) -> Iterator[str]:
    ids = [id_ for system in SYSTEMS for id_ in _of(found, system)]
    counts = Counter(found.state(id_) for id_ in ids)
    yield "<!-- Written by scripts/generate_requirements.py from tests/requirements.toml and the marks of the tests. -->"
    yield ""
    yield "# Five earlier systems, one engine"
    yield ""
    yield f"This project replaces five systems. Their {len(ids)} promises have ids, and each has a test here or a reason:"
    yield f"{', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])}."
    yield "[Requirements](../reference/requirements.md) lists all tests of each id."
    if found.areas:
        yield ""
        yield "*Partly* and *not yet* say what is missing, and the work that completes it."
        yield ""
        yield "| work that is left | what it brings | partly | not yet |"
        yield "|---|---|---|---|"
    for area, brings in found.areas.items():
        states = Counter(found.state(id_) for id_ in found.left.get(area, {}) if id_ in ids)
        yield f"| {area} | {_cell(brings)} | {states['partly']} | {states['not yet']} |"
    reasons = {id_: found.why(area, reason) for id_, area, reason in found.reasons()}
    for system, text in SYSTEMS.items():
        yield ""
        yield f"## {FAMILIES[system]} ({system})"
        yield ""
        yield text
        yield ""
        yield f"| id | promise | state | {'what is missing, or why' if found.areas else 'why'} | shown by |"
        yield "|---|---|---|---|---|"
        for id_ in _of(found, system):
            promise, reason = _cell(found.titles[id_]), _cell(reasons.get(id_, ""))
            yield f"| {id_} | {promise} | {found.state(id_)} | {reason} | {_shown_by(found, id_)} |"


def _table(found: Manifest) -> Iterator[str]:
    reasons = {id_: found.why(area, reason) for id_, area, reason in found.reasons()}
    for id_, title in found.titles.items():
        tests = found.tests.get(id_, ())
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        shown = f"{tests[0]}{more}" if tests else "-"
        yield f"{id_}  {found.state(id_):8}  {title}  [{shown}]{'  ' + reasons[id_] if id_ in reasons else ''}"
    counts = Counter(found.state(id_) for id_ in found.titles)
    yield f"{len(found.titles)}: {', '.join(f'{counts[state]} {state}' for state in STATES)}"
    for area in found.areas:
        left = Counter(found.state(id_) for id_ in found.left.get(area, {}))
        yield f"{area}: {left['partly']} partly, {left['not yet']} not yet"


def _of(found: Manifest, family: str) -> list[str]:
    return [id_ for id_ in found.titles if id_.split("-")[0] == family]


def _shown_by(found: Manifest, id_: str) -> str:
    tests = found.tests.get(id_, ())
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    return f"`{tests[0].partition('::')[2]}`{more}" if tests else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
