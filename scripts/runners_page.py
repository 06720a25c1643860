"""The reference page of the test runners, from their table and from what their tests expect."""

import json
import re
from collections.abc import Iterator

from scripts import markdown as md
from tests.gates.record_runners import recording_of
from tests.gates.runner_results import EXPECTED, LIVE
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
`bundle exec` and their like, and behind scripts of `package.json` (`npm test`, also one that runs
another) whose last command, after `&&`, is a simple one. Options are
added only to a command that does not itself ask for a report. What ran is in the evidence (`argv_run`).

A command that ended before its tests ran (a module is missing, a file cannot be read, it did not compile, no tests were
found, the program does not exist) satisfies none of the three, and the reason says so: `pytest ended while collecting: no
test ran`. A file that could not be loaded is no failing test. A runner that was asked for a report and wrote none has no
count. Where the runner is not recognised and there is no report, the gate cannot be judged: name one in the check's `junit`.
"""

_STATES = """## How each runner is tested

`tests/gates/runner_projects.py` has a project per runner in five states; `tests/gates/test_runners.py` compares the verdict and
the count of each. The red project counts 1 passed, 1 failed and 1 skipped, the green one 2 passed and 1 skipped, from the source
that the table above names; the red one satisfies `failing_tests`, the other four do not. The last three columns are what the gate
says: `… no test ran`.

*Live*: the runner itself runs, where it is installed (PATH) or can be (npm: packages from npm; wheel: a package that carries the
program; CI: only where the variable `CI` is set, since it takes a minute). *Recorded*: what that version printed and wrote is
played back on each machine. dotnet was never run here: its recording was written manually, after its documentation.
"""
_NEEDS = {"": "PATH", "npm": "npm", "nextest": "PATH or wheel", "maven": "CI, PATH", "gradle": "CI, PATH"}


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
    yield ""
    yield from _STATES.splitlines()
    yield ""
    head = (
        "runner",
        "live",
        "recorded",
        "id of the failing test",
        "no tests",
        "crash before tests",
        "missing dependency",
    )
    yield from md.table(head, map(_tested, RUNNERS))


def _row(runner: Runner) -> tuple[str, ...]:
    verbs = f" with {', '.join(map(md.code, runner.verbs))}" if runner.verbs else ""
    names = ", ".join(md.code(name) for name in sorted(runner.programs))
    return runner.name, names + verbs, _added(runner.reporter or runner.adds), _source(runner)


def _tested(runner: Runner) -> tuple[str, ...]:
    live, says, recording = LIVE.get(runner.name), EXPECTED[runner.name], recording_of(runner.name)
    version = json.loads(recording.read_text("utf-8"))["version"] if recording.exists() else "no"
    told = (says[state].removeprefix(f"{runner.name} ended ") for state in ("none", "crash", "missing"))
    return runner.name, _NEEDS[live.needs] if live else "no", version, md.code(says["bad"]), *map(_literal, told)


def _literal(text: str) -> str:
    """``text`` with a glob in it as code, since ``*`` means emphasis."""
    return " ".join(md.code(word) if "*" in word else word for word in text.split())


def _added(asked: Reporter | None) -> str:
    if asked is None:
        return "nothing"
    words = re.sub(r"\{\w*reporter\}", "REPORTER", " ".join((*asked.show, *asked.words)).replace("{report}", "REPORT"))
    env = " ".join(f"{name}={value}" for name, value in (asked.env or {}).items()).replace("{report}", "REPORT")
    return md.code(" ".join(part for part in (env, words) if part))


def _source(runner: Runner) -> str:
    if runner.reporter is not None:
        return f"{_PLACES[runner.reporter.place]} (`reporter`)"
    if runner.files:
        return f"{md.code(runner.files[0])} and in modules, else printed text"
    return "printed text (`printed`)"
