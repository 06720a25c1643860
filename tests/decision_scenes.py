"""Runs of shipped templates that wait for a person: what the decision view is about, for the terminal and the page."""

import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.templates.scene import SPEC
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.testing.agent import Script, Work, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in
from wfe_mcp.workspace.config.checks import CheckSettings

SLUG = "def slug(text):\n    return text.lower().replace(' ', '-')\n"
FIXED = "def slug(text):\n    return text.lower().replace(' ', '-').replace('.', '-')\n"
TEST = (
    "import unittest\n\nfrom slug import slug\n\n\nclass TestSlug(unittest.TestCase):\n"
    "    def test_spaces(self):\n        self.assertEqual(slug('a b'), 'a-b')\n"
)
BUG_TEST = (
    TEST + "\n    def test_dots_become_dashes(self):\n        self.assertEqual(slug('v1.2 final'), 'v1-2-final')\n"
)
FILES = {"slug.py": SLUG, "tests/test_slug.py": TEST, "docs/names.md": "# Names\n\nA slug is lower case.\n"}
LONG = """# Slugs with an accent

## Overview

`slug()` gets one keyword argument, `ascii`, off by default. With it, letters with an accent become the letter without it (R-1). Nothing changes for callers who do not pass it (R-2).

<script>alert("not a script here")</script>

## Behaviour

| Text | `ascii=False` | `ascii=True` |
|---|---|---|
| Élan vital | élan-vital | elan-vital |
| Straße | straße | strasse |

## Alternatives considered

1. A second function `ascii_slug()`: rejected, two names for one thing.
2. A module-wide switch: rejected, it changes text in libraries that never asked for it, see [the discussion](https://example.org/42 "not to be clicked").
   - It would also need a lock.

```python
def slug(text, *, ascii=False):
    ...
```

[hidden]: https://example.org "definitions are shown"

## Risks

> Positional callers keep working, because the argument is keyword-only.

""" + "".join(
    f"### Case {number}\n\nThe text number {number} is kept as it is, with every letter that it had.\n\n"
    for number in range(1, 13)
)
DESIGN = Work({"front": {"title": "Slugs with an accent"}, "body": LONG})
PROBLEM = "slug('v1.2 final') gives 'v1.2-final'; it should give 'v1-2-final'."


class _Reached(Exception):
    """The phase that a scene is about waits for a person."""


def waiting(project: Playground, template: str, inputs: Mapping[str, object], script: Script, phase: str) -> str:
    """Play ``template`` until ``phase`` waits for a person, who approves everything before; the run."""
    found: list[str] = []

    def person(run: str, asked: str) -> None:
        if asked == phase:
            found.append(run)
            raise _Reached
        project.approve(run, asked)

    with project.agent() as agent, contextlib.suppress(_Reached):
        played = drive(agent.call, project.root, template, dict(inputs), script, person=person)
        raise AssertionError(f"{phase} was never asked about: {played.last}")
    return found[0]


def quick_fix(project: Playground) -> tuple[str, str]:
    script: Script = {
        "reproduce": [
            Work(
                {
                    "test": "tests/test_slug.py::TestSlug::test_dots_become_dashes",
                    "file": "tests/test_slug.py",
                    "expected": "v1-2-final",
                    "actual": "v1.2-final",
                    "why": "slug() replaces spaces only",
                },
                {"tests/test_slug.py": BUG_TEST},
            )
        ],
        "fix": [Work({"summary": "slug() turns dots into dashes.", "files": ["slug.py"]}, {"slug.py": FIXED})],
    }
    return waiting(project, "quick_fix", {"problem": PROBLEM}, script, "fix"), "fix"


def spec_driven(project: Playground) -> tuple[str, str]:
    return _specification(project, "design"), "design"


def requirements(project: Playground) -> tuple[str, str]:
    return _specification(project, "requirements"), "requirements"


def _specification(project: Playground, phase: str) -> str:
    spec = SPEC | {
        "title": "Accents",
        "goal": "A slug may be plain ASCII.",
        "requirements": [{"id": "R-1", "text": "é becomes e on request"}, {"id": "R-2", "text": "Off by default"}],
    }
    script: Script = {
        "requirements": [Work(spec)],
        "design": [DESIGN],
    }
    inputs = {"name": "accents", "goal": "Slugs of words with an accent, for people who write URLs by hand."}
    return waiting(project, "spec_driven", inputs, script, phase)


def plan_generate_review(project: Playground) -> tuple[str, str]:
    plan = {
        "steps": [
            {"id": "S-1", "title": "Glossary", "acceptance": ["Each term has one sentence"], "files": ["glossary.md"]}
        ],
        "files": ["glossary.md"],
    }
    inputs = {"goal": "Write a glossary of the terms in docs/names.md", "folder": "docs"}
    return waiting(project, "plan_generate_review", inputs, {"plan": [Work(plan)]}, "generate"), "generate"


def role_pipeline(project: Playground) -> tuple[str, str]:
    breakdown = {"items": [{"id": "T-1", "title": "Dots become dashes", "acceptance": ["v1.2 gives v1-2"]}]}
    script: Script = {
        "pm": [Work(breakdown)],
        "qa_tests": [
            Work(
                {"summary": "Tests of the dots", "tests": ["tests/test_slug.py::TestSlug::test_dots_become_dashes"]},
                {"tests/test_slug.py": BUG_TEST},
            )
        ],
    }
    inputs = {"goal": PROBLEM}
    return waiting(project, "role_pipeline", inputs, script, "qa_tests"), "qa_tests"


def fork(project: Playground) -> tuple[str, str]:
    """A fork from its first approval, which is carried, at its second: a document, and two files since."""
    run = _specification(project, "requirements")
    approved = project.approve(run, "requirements").record.last_seq
    made = fork_run(project.engine, stand_in(project.engine), run, str(approved)).record.id
    design = Work(DESIGN.artifact, {"specs/accents/letters.md": "# Letters\n\n- é becomes e\n- ß becomes ss\n"})

    def person(run: str, asked: str) -> None:
        raise _Reached

    with project.agent() as agent, contextlib.suppress(_Reached):
        resume(agent.call, project.root, made, {"design": [design]}, person=person)
    return made, "design"


SCENES: dict[str, Callable[[Playground], tuple[str, str]]] = {
    "quick_fix": quick_fix,
    "spec_driven": spec_driven,
    "plan_generate_review": plan_generate_review,
    "role_pipeline": role_pipeline,
    "fork": fork,
}


def playground(folder: Path) -> Playground:
    """The project of all scenes."""
    checks = {"test": CheckSettings(argv=[sys.executable, "-m", "unittest", "discover", "-s", "tests"])}
    checks["security"] = CheckSettings(argv=[sys.executable, "-c", ""])
    return Playground(folder, files=FILES, checks=checks)


_CHANGES = (
    (re.compile(r"(<<<|>>>)[0-9a-f]{16}\b"), r"\1<nonce>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<tree>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<sha>"),
    (re.compile(r"\b\d+(\.\d+)? ?s\b"), "0.1 s"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\+00:00|Z| UTC)?"), "<time>"),
    (re.compile(r"\n *[~^]+(?=\n)|\\n *[~^]+(?=\\n)"), ""),  # a traceback of Python 3.13 and later underlines the call
    (re.compile(re.escape(sys.executable)), "python"),
    (re.compile(r"[^\s\"]+ \(sha256 <sha>\)"), "PROGRAM (sha256 <sha>)"),
)


def steady(text: str, *names: str) -> str:
    """``text`` without what differs between two runs of the same scene. ``names``: ids and folders."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "RUN".ljust(len(name), "_") if "/" not in name else "FOLDER")
    for pattern, plain in _CHANGES:
        text = pattern.sub(plain, text)
    return text
