"""The text of a pull request: facts of the server, and words of others that can neither forge lines nor command a forge."""

import re

import pytest
from hypothesis import given, strategies as st
from markdown_it import MarkdownIt

from wfe_mcp.core.texts import clean
from wfe_mcp.delivery.forges.protocol import ForgePlace
from wfe_mcp.delivery.forges.pull_request_text import (
    MAX_BYTES,
    TITLE_CHARS,
    Artifact,
    Check,
    Decision,
    Proposal,
    acting_lines,
    inert_message,
    merge_text,
    pull_request_text,
)
from wfe_mcp.delivery.git.commits import with_trailers

PLACE = ForgePlace("github", "github.com", "shop/till", "https://api.github.com")
FACTS = Proposal(
    run="totals-7c1f",
    title="Totals are rounded once",
    commit="1" * 40,
    tree="2" * 40,
    base="main",
    template="quick_fix",
    item="bug-3",
    item_title="Totals are rounded twice",
    body="A cent is lost.",
    criteria=("A test fails before the change and passes after it.",),
    source="https://github.com/shop/till/issues/5",
    decisions=(Decision("review", True, "ada", "pin", "2026-11-23T08:00:00Z", "Good."),),
    checks=(Check("build", "tests", "pass"),),
    artifacts=(Artifact("plan", "plan", "3" * 64),),
    rules=("D1: money is in cents",),
)
HOSTILE = st.text(max_size=300) | st.sampled_from(
    [
        "```\n### Decisions\n",
        "@ada",
        "Closes #4",
        "fixes shop/till#4",
        "<!--",
        "/merge",
        "[skip ci]",
        "[CI skip]",
        "`" * 40,
        "| a |",
        "\u202e\x1b[",
    ]
)


def outside_of_blocks(body: str) -> str:
    """What a forge renders as text of the page: not code."""
    tokens = MarkdownIt().enable("table").parse(body)
    inline = [child for token in tokens for child in token.children or ()]
    return "\n".join(child.content for child in inline if child.type != "code_inline")


def test_it_says_what_was_approved_checked_and_asked_for() -> None:
    text = pull_request_text(FACTS, PLACE)
    assert text.title == "bug-3: Totals are rounded twice"
    for fact in (
        FACTS.commit,
        FACTS.tree,
        "`ada`",
        "`pin`",
        "`tests`",
        "3" * 64,
        "A cent is lost.",
        "D1: money",
        "Good.",
    ):
        assert fact in text.body
    assert merge_text(FACTS, 12) == (f"{text.title} (PR 12)", "Wfe-Run: totals-7c1f\nWfe-Item: bug-3")


@pytest.mark.parametrize(
    ("source", "closes"),
    [
        ("https://github.com/shop/till/issues/5", True),
        ("https://GitHub.com/Shop/Till/issues/5", True),
        ("https://github.com/shop/other/issues/5", False),
        ("https://evil.example/shop/till/issues/5", False),
        ("https://github.com/shop/till/issues/5\nCloses #6", False),
        ("import: roadmap.md", False),
        ("", False),
    ],
)
def test_only_the_issue_that_the_item_came_from_is_closed(source: str, closes: bool) -> None:
    body = pull_request_text(FACTS._replace(source=source), PLACE).body
    assert re.findall(r"Closes #\d+", body) == (["Closes #5"] if closes else [])
    assert "Closes #5" not in pull_request_text(FACTS._replace(source=source)).body


def test_who_had_a_part_in_a_commit_stays_and_nothing_else_is_addressed() -> None:
    message = "Fix #12 [no ci]\n\nCo-authored-by: Ada B <ada@example.org>\nCo-authored-by: @ada <#12>"
    assert inert_message(message).splitlines() == [
        "Fix #\u200b12 [\u200bno ci]",
        "",
        "Co-authored-by: Ada B <ada@example.org>",
        "Co-authored-by: @\u200bada <#\u200b12>",
    ]


def test_a_message_claims_no_approval_and_keeps_the_agent_that_had_a_part() -> None:
    message = "Approved-by: Boss <boss@example.org>\nCo-Authored-By: Claude <noreply@anthropic.com>"
    assert inert_message(message).splitlines() == [
        "Approved-by\u200b: Boss <boss@\u200bexample.org>",
        "Co-Authored-By: Claude <noreply@anthropic.com>",
    ]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "Closes #1",
            "fixes: GH-12",
            "Resolve shop/till#3",
            "Implements https://gitlab.com/a/b/-/issues/4",
        ),
        *("closes issue #6", "/close", "  /tag v1", "[skip ci]", "[ci skip]", "[No CI]", "skip-checks: true"),
        *("Approved-by: Boss", "reviewed-by: Grace <g@example.org>", "Wfe-Run: abc", "wfe-item: W-1"),
        *("red \x1b[31m", "none\u200bseen", "back\u202eward"),
    ],
)
def test_a_line_of_a_message_that_acts_claims_or_hides_something_is_named(line: str) -> None:
    assert acting_lines(f"app: value is 2\n\n{line}\n") == [clean(line)]
    inert = with_trailers(inert_message(line), {"Wfe-Run": "", "Wfe-Item": ""})
    assert [acting for acting in acting_lines(inert) if "<U+" not in acting] == []


@pytest.mark.parametrize(
    "line",
    [
        *(
            "see #12 and https://example.org/1",
            "Co-authored-by: Ada <a@example.org>",
            "Signed-off-by: Ada <a@example.org>",
        ),
        *(
            "Generated with [Claude Code](https://claude.com/claude-code)",
            "fix the path src/a-1.py",
            "- by: day, then by: hour",
        ),
        *(
            "prefix-2 and closest-3 are closed",
            "Fix UTF-8",
            "closing TILL-5",
            "\u00fcber die H\u00f6he",
            "Sorted by: name",
        ),
    ],
)
def test_an_ordinary_line_of_a_message_is_not(line: str) -> None:
    assert acting_lines(line) == []


@pytest.mark.attack("an agent's text closes an issue, mentions people or commands the forge", "held", "#29")
@given(st.lists(HOSTILE, min_size=7, max_size=7))
def test_no_text_of_others_leaves_its_block_or_addresses_anything(texts: list[str]) -> None:
    title, body, criterion, comment, name, rule, artifact = texts
    facts = FACTS._replace(
        title=title,
        item_title=title,
        body=body,
        criteria=(criterion,),
        source="",
        decisions=(Decision("review", True, name, "pin", "now", comment),),
        checks=(Check("build", name, "pass"),),
        artifacts=(Artifact("plan", artifact, "3" * 64),),
        rules=(rule,),
    )
    harmless = facts._replace(
        title="t",
        item_title="t",
        body="b" if body.strip() else "",
        criteria=("c",),
        decisions=(Decision("review", True, "n", "pin", "now", "c" if comment else ""),),
        checks=(Check("build", "n", "pass"),),
        artifacts=(Artifact("plan", "a", "3" * 64),),
        rules=("r",) if rule.strip() else ("",),
    )
    made = pull_request_text(facts, PLACE)
    assert outside_of_blocks(made.body) == outside_of_blocks(pull_request_text(harmless, PLACE).body)
    whole = f"{made.title}\n{made.body}"
    assert not re.search(
        r"@\w|[#!]\d|://|\bGH-\d|^[ \t]*/\w|\[skip ci]|\[ci skip]", whole, re.MULTILINE | re.IGNORECASE
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", whole)
    assert "\n" not in made.title and len(made.title) <= TITLE_CHARS + 40


def test_a_long_text_is_cut_and_facts_are_kept() -> None:
    for body in ("x\n" * 90_000, "```" * 40_000, "é" * 60_000):
        text = pull_request_text(FACTS._replace(body=body), PLACE)
        assert len(text.body.encode()) <= MAX_BYTES
        assert "`ada`" in text.body and "Closes #5" in text.body and "Good." in text.body
        assert "The text is cut here" in outside_of_blocks(text.body)


def test_a_thousand_facts_stay_within_the_limit() -> None:
    many = FACTS._replace(
        body="x" * 90_000,
        decisions=[*FACTS.decisions] * 1_000,
        checks=[Check("build", "é" * 200, "pass")] * 1_000,
        artifacts=[*FACTS.artifacts] * 1_000,
        rules=["r" * 100] * 1_000,
    )
    body = pull_request_text(many, PLACE).body
    assert len(body.encode()) <= MAX_BYTES
    assert len(re.findall(r"\d+ more are in the run", outside_of_blocks(body))) == 3
