"""The example of each key is valid and shows the key."""

import pytest

from scripts.template_page import TITLES, sections, values, whole
from wfe_mcp.workflow.lint import lint

KEYS = [(title, name) for title in TITLES for name in values(title)]
ONLY_INSIDE = {"webhook": ("template", "webhooks"), "llm call": ("step", "llm")}
"""Objects that stand nowhere but under a key that may not be available yet."""


@pytest.mark.parametrize(("title", "name"), KEYS)
def test_the_example_of_a_key_shows_it_and_lints(title: str, name: str) -> None:
    every = [(section.title, key) for section in sections() for key in section.keys]
    example = next(key.example for section, key in every if (section, key.name) == (title, name))
    report = lint(whole(title, example))

    assert name in example
    assert report.faults == (), "errors that are no feature still to come"
    places = {(title, name), (title, "kind"), (title, "do"), ONLY_INSIDE.get(title, (title, name))}
    if not any(key.not_yet for section, key in every if (section, key.name) in places):
        assert report.errors == (), "the table of what is not available yet does not except this key"
