"""A hint for an agent, as the person reads it whom the agent would ask."""

import pytest

from wfe_mcp.core.readers import for_person

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
    "Name it: wfe-mcp list": "Name it: wfe-mcp list",
}


@pytest.mark.parametrize(("written", "read"), READ.items())
def test_a_person_reads_the_step_as_their_own(written: str, read: str) -> None:
    assert for_person(written) == read
