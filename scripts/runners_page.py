"""The reference page of the test runners, from their table."""

from collections.abc import Iterator

from scripts import markdown as md
from wfe_mcp.gates.runners import RUNNERS, Reporter, Runner

_PLACES = {"file": "a file in the evidence", "folder": "files in the evidence", "stdout": "its output"}
_INTRO = """# Test runners

`failing_tests`, `min_tests` and `no_new_skips` of a [command gate](templates.md#expect) need a count of tests. It comes from one
of these, and the evidence says which (`counted_from`):

| `counted_from` | the count comes from |
|---|---|
| `report` | a report file that the check's own command writes: `junit` of the check, or an option such as `--junitxml` |
| `reporter` | the reporter of a recognised runner, which the server asks for, or files that the runner always writes |
| `printed` | printed text, which the program could print itself: weaker, and marked so wherever the evidence is shown |

A runner is recognised as the program of the check, also after `python -m`, `uv run`, `poetry run`, `npx`, `pnpm exec`,
`bundle exec` and their like, and behind a script of `package.json` (`npm test`) that is one simple command. Options are
added only to a command that does not itself ask for a report. What ran is in the evidence (`argv_run`).

A command that ended before its tests ran (a module is missing, a file cannot be read, it did not compile, no tests were
found, the program does not exist) satisfies none of the three, and the reason says so: `pytest ended while collecting: no
test ran`. A file that could not be loaded is no failing test. A runner that was asked for a report and wrote none has no
count. Where the runner is not recognised and there is no report, the gate cannot be judged: name one in the check's `junit`.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _INTRO.splitlines()
    yield ""
    yield from md.table(("runner", "recognised as", "the server adds", "counted from"), map(_row, RUNNERS))
    yield ""
    yield "Of a runner in none of these rows the last summary that looks like one of theirs counts, as printed text."
    yield ""
    yield "The id of a test is `file::suite > name` where the runner says the file (pytest: `tests/test_calc.py::TestSum::test_add`);"
    yield "a template may also name it by its name alone or with `*`."


def _row(runner: Runner) -> tuple[str, ...]:
    verbs = f" with {', '.join(map(md.code, runner.verbs))}" if runner.verbs else ""
    names = ", ".join(md.code(name) for name in sorted(runner.programs))
    return runner.name, names + verbs, _added(runner.reporter or runner.adds), _source(runner)


def _added(asked: Reporter | None) -> str:
    if asked is None:
        return "nothing"
    words = " ".join((*asked.show, *asked.words)).replace("{report}", "REPORT").replace("{node_reporter}", "REPORTER")
    env = " ".join(f"{name}={value}" for name, value in (asked.env or {}).items()).replace("{report}", "REPORT")
    return md.code(" ".join(part for part in (env, words) if part))


def _source(runner: Runner) -> str:
    if runner.reporter is not None:
        return f"{_PLACES[runner.reporter.place]} (`reporter`)"
    if runner.files:
        return f"{md.code(runner.files[0])} and in modules, else printed text"
    return "printed text (`printed`)"
