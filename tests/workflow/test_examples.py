"""The example of each key is valid and shows the key."""

import pytest

from scripts.template_page import sections, whole
from wfe_mcp.workflow.lint import lint

SECTIONS = {section.title: section for section in sections()}
KEYS = [(section.title, key.name) for section in SECTIONS.values() for key in section.keys]
ONLY_INSIDE = {"webhook": ("template", "webhooks"), "llm call": ("step", "llm")}
"""Objects that stand nowhere but under a key that may not be available yet."""


@pytest.mark.parametrize(("title", "name"), KEYS)
def test_the_example_of_a_key_shows_it_and_lints(title: str, name: str) -> None:
    example = next(key.example for key in SECTIONS[title].keys if key.name == name)
    report = lint(whole(title, example))

    assert name in example
    assert report.faults == (), "errors that are no feature still to come"
    places = {(title, name), (title, "kind"), (title, "do"), ONLY_INSIDE.get(title, (title, name))}
    if not any(
        key.not_yet for section in SECTIONS.values() for key in section.keys if (section.title, key.name) in places
    ):
        assert report.errors == (), "the table of what is not available yet does not except this key"
