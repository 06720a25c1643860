"""The example of each key is valid and shows the key."""

from typing import Any

import pytest

from wfe_mcp.workflow.examples import EXAMPLES, whole
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.reference import Section, reference

SECTIONS = {section.title: section for section in reference()}
KEYS = [(section.title, key.name) for section in SECTIONS.values() for key in section.keys]


def required(section: Section) -> dict[str, Any]:
    """What such an object cannot lack, as its own examples have it."""
    return {key.name: EXAMPLES[section.title][key.name][key.name] for key in section.keys if key.required}


def test_every_key_has_an_example_that_shows_it() -> None:
    assert [(title, name) for title, keys in EXAMPLES.items() for name in keys] == KEYS
    assert [(title, name) for title, name in KEYS if name not in EXAMPLES[title][name]] == []


ONLY_INSIDE = {"webhook": ("template", "webhooks"), "llm call": ("step", "llm")}
"""Objects that stand nowhere but under a key that may not be available yet."""


@pytest.mark.parametrize(("title", "name"), KEYS)
def test_the_example_of_a_key_lints(title: str, name: str) -> None:
    report = lint(whole(title, EXAMPLES[title][name], required(SECTIONS[title])))

    assert report.faults == (), "errors that are no feature still to come"
    places = {(title, name), (title, "kind"), (title, "do"), ONLY_INSIDE.get(title, (title, name))}
    if not any(
        key.not_yet for section in SECTIONS.values() for key in section.keys if (section.title, key.name) in places
    ):
        assert report.errors == (), "the table of what is not available yet does not except this key"
