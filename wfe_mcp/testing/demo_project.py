"""The project of the demo: a small one with a bug, and a check that fails because of it."""

from __future__ import annotations

import importlib.util
import sys

from wfe_mcp.workspace.config.checks import CheckSettings

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
