"""The stage of the demo: its project, and its output in short numbered acts."""

import importlib.util
import os
import sys
import textwrap
from collections.abc import Mapping
from typing import Any, TextIO

from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.system.console import is_terminal, obeys_sequences

_WIDTH = 100
_MARGIN = "  "
_COLOURS = {"title": "1", "agent": "36", "server": "32", "no": "33", "kill": "31", "you": "35", "quiet": "2"}


class Stage:
    """The demo's output. ``shortened``: long texts of this machine → their replacements."""

    def __init__(self, out: TextIO, shortened: Mapping[str, str]) -> None:
        self._out = out
        self._shortened = dict(shortened)
        self._acts = 0
        is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        self._colourful = is_terminal(out) and not is_plain and obeys_sequences(out)

    def act(self, title: str) -> None:
        """Start the next act."""
        self._acts += 1
        self._write(f"\n{self._paint('title', f'{self._acts}  {title}')}")

    def narrate(self, text: str = "", colour: str = "") -> None:
        """A line of the narrator."""
        for line in textwrap.wrap(text, _WIDTH - len(_MARGIN)) or [""]:
            self._write(f"{_MARGIN}{self._paint(colour, line)}" if line else "")

    def verbatim(self, line: str) -> None:
        """Text to copy: not shortened or wrapped."""
        self._write(f"{_MARGIN}  {line}")

    def lines(self, text: str, colour: str = "quiet") -> None:
        """Unchanged text, line by line."""
        for line in text.rstrip().splitlines():
            self._write(_MARGIN + self._paint(colour, self._short(line)))

    def agent(self, text: str) -> None:
        """An action of the agent."""
        self._speak("agent", text, "agent")

    def kill(self, text: str) -> None:
        """An event of a process."""
        self._speak("kill", text, "kill")

    def person(self, text: str) -> None:
        """An action of the person."""
        self._speak("person", text, "you")

    def server(self, answer: Mapping[str, Any], *more: str) -> None:
        """The server's answer: its first sentence or error, every detail, the hint; and the keys in ``more``."""
        error = answer.get("error")
        if error is None:
            lines = [f"ok: {answer['summary']}"]
        else:
            lines = [f"{error['code']}: {error['message'].splitlines()[0]}"]
            lines += [f"{_place(detail)}  {detail['message']}" for detail in error.get("details", [])]
            lines += [f"hint: {error['hint']}"] if error.get("hint") else []
        for number, line in enumerate([*lines, *more]):
            self._speak("" if number else "server", line, "no" if error else "server")

    def _speak(self, who: str, text: str, colour: str) -> None:
        name = f"{who:<8}"
        indent = _MARGIN + " " * len(name)
        wrapped = textwrap.wrap(self._short(text), _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(wrapped or [""]):
            self._write((indent if number else _MARGIN + self._paint("quiet", name)) + self._paint(colour, line))

    def _short(self, text: str) -> str:
        for long, short in self._shortened.items():
            text = text.replace(long, short)
        return text

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colourful and colour else text

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def _place(detail: Mapping[str, Any]) -> str:
    return detail["path"] or "(whole)"


PROBLEM = "slug('v1.2 final') gives 'v1.2-final'; a page name has no dots: it should give 'v1-2-final'."

_SLUG = '''def slug(text):
    """The name of a page, made from its title."""
    return text.lower().replace(" ", "-")
'''

FIXED = _SLUG.replace('replace(" ", "-")', 'replace(" ", "-").replace(".", "-")')

_TESTS = """import unittest

from slug import slug


class TestSlug(unittest.TestCase):
    def test_spaces_become_dashes(self):
        self.assertEqual(slug("Hello World"), "hello-world")
"""

FILES = {"slug.py": _SLUG, "tests/test_slug.py": _TESTS}

TEST_NAME = "test_dots_become_dashes"

FAILING_TEST = (
    _TESTS
    + f"""
    def {TEST_NAME}(self):
        self.assertEqual(slug("v1.2 final"), "v1-2-final")
"""
)

ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""The user's pytest plugins cost a second per test run, and are not part of the demo."""


def check() -> CheckSettings:
    """The check that runs the project's tests: with pytest where this Python has it, else with unittest."""
    if importlib.util.find_spec("pytest") is None:
        return CheckSettings(argv=[sys.executable, "-m", "unittest", "discover", "-s", "tests"])
    return CheckSettings(argv=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], env=list(ENVIRONMENT))
