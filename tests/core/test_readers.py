"""A hint for an agent, as the person reads it whom the agent would ask."""

import re

import pytest
from hypothesis import given, strategies as st

from wfe_mcp.core.readers import for_agent, for_person

READ = {
    "Ask the user to run: wfe-mcp trust": "wfe-mcp trust",
    "Ask the user to run this in a terminal of their own: wfe-mcp pin set": "wfe-mcp pin set",
    "Start a new run, or ask the user to run: wfe-mcp start": "Start a new run, or wfe-mcp start",
    "Ask the user to look at it and run: wfe-mcp trust": "Look at it and run: wfe-mcp trust",
    "ask the user to write a.b in `argv`, to bring its folder, and to run wfe-mcp trust. Then go on.": (
        "write a.b in `argv`, bring its folder, and run wfe-mcp trust. Then go on."
    ),
    "Ask the user: if it was moved, wfe-mcp project move A B (in a terminal of their own); if not, add it": (
        "If it was moved, wfe-mcp project move A B; if not, add it"
    ),
    "Tell the user: if it is gone, wfe-mcp cancel RUN": "If it is gone, wfe-mcp cancel RUN",
    "Only the user can extend it: wfe-mcp resume RUN --timeout 1h": "Only you can extend it: wfe-mcp resume RUN --timeout 1h",
    "ask the user which program writes there, then submit again.": "see which program writes there, then submit again.",
    "Ask the user whether it works.": "See whether it works.",
    "[sandbox] names a file: ask the user to correct it in their own configuration.": (
        "[sandbox] names a file: correct it in your own configuration."
    ),
    "Call status to see what is open.": "Run wfe-mcp status to see what is open.",
    "Fix the listed inputs and call start_run again.": "Fix the listed inputs and start the run again.",
    "no check test; the user fixes it with: wfe-mcp init": "no check test; fix it with: wfe-mcp init",
    "it failed; the user tries it again with: wfe-mcp init": "it failed; try it again with: wfe-mcp init",
    "Attempt 2 is not ready yet: follow next.": "Attempt 2 is not ready yet.",
    "#1 is a draft. Next: Mark it as ready, then retry. [draft]": "#1 is a draft. Next: Mark it as ready, then retry.",
    "It is too long, see [todo]": "It is too long, see [todo]",
    "Name it: wfe-mcp list": "Name it: wfe-mcp list",
    "You may task the user to look.": "You may task the user to look.",
}


@pytest.mark.parametrize(("written", "read"), READ.items())
def test_a_person_reads_the_step_as_their_own(written: str, read: str) -> None:
    assert for_person(written) == read


AT_AN_AGENT = {
    "Look at it: wfe-mcp work show W-12": "Look at it: work(action='show', id='W-12')",
    "Start one: wfe-mcp work start W-4. Or the user": "Start one: work(action='change', id='W-4', status='active'). Or the user",
    "wfe-mcp work start W-41 --reason TEXT": "wfe-mcp work start W-41 --reason TEXT",
    "wfe-mcp work edit W-4 --status done": "wfe-mcp work edit W-4 --status done",
    "wfe-mcp work edit W-4 --fill": "work(action='change', id='W-4', item={'fill': true})",
    "wfe-mcp work edit W-4 --fill --status ready": "work(action='change', id='W-4', status='ready', item={'fill': true})",
    "wfe-mcp work edit W-4 --status ready": "work(action='change', id='W-4', status='ready')",
    "wfe-mcp work edit W-4 --scope PATH; then": "work(action='change', id='W-4', item={'scopes': [PATH]}); then",
    "wfe-mcp work edit W-4 --scope app.py --scope 'a b'; then": (
        "work(action='change', id='W-4', item={'scopes': ['app.py', 'a b']}); then"
    ),
    "wfe-mcp work edit W-4 --scope app.py --scope PATH --body x": "wfe-mcp work edit W-4 --scope app.py --scope PATH --body x",
    "wfe-mcp decision add TITLE": "work(action='add', kind='decision', item={'title': TITLE})",
    "There is none yet: wfe-mcp work add TITLE": "There is none yet: work(action='add', item={'title': TITLE})",
    "wfe-mcp work add TITLE --kind milestone": "wfe-mcp work add TITLE --kind milestone",
    "The newest is W-4: wfe-mcp work list": "The newest is W-4: work(action='list')",
    "The nearest: cp-2. All of them: wfe-mcp checkpoints r-1": "The nearest: cp-2. All of them: status(run='r-1', detail='full')",
}


@pytest.mark.parametrize(("written", "read"), AT_AN_AGENT.items())
def test_an_agent_reads_a_command_that_has_a_call_as_that_call_and_the_users_commands_as_they_are(
    written: str, read: str
) -> None:
    assert for_agent(written) == read


TRIGGERS = (
    "Ask the user to ",
    "ask the user to ",
    "Ask the user to run: ",
    "Ask the user: ",
    "Tell the user: x",
    "only the user can",
    "ask the user whether",
    " (in a terminal of their own)",
    "their own configuration",
    ", to ",
    " and to ",
    "a.b",
    ". ",
    ";",
    "\n",
    "é",
)
ADDED = {"only", "you", "can", "see", "your", "own", "configuration", "which", "whether"}
"""The words that a person reads in place of others."""


@given(st.lists(st.sampled_from(TRIGGERS) | st.text(max_size=12), max_size=30).map("".join))
def test_a_hostile_text_keeps_its_lines_and_gets_no_word_of_its_own(text: str) -> None:
    shown = for_person(text)
    assert shown.count("\n") == text.count("\n")
    said = {letters.lower() for letters in re.findall(r"\w+", text)}
    assert {letters.lower() for letters in re.findall(r"\w+", shown)} - said <= ADDED


@pytest.mark.parametrize("piece", TRIGGERS)
def test_a_long_hostile_text_is_read_once(piece: str) -> None:
    for text in (piece * 5_000, f"Ask the user to {piece * 5_000}", f"ask the user to x{piece * 5_000}."):
        assert len(for_person(text)) <= len(text)  # what is read in squares would not end


def test_what_stands_below_a_step_stays_as_it_is() -> None:
    quoted = "and to be, or to do"
    assert for_person(f"Ask the user to look\n{quoted}") == f"Look\n{quoted}"
