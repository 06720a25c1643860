"""The workflow for n8n has the nodes that the page describes. n8n is no dependency of the tests: a person ran it once."""

import json
import re
from pathlib import Path

HOW_TO = Path(__file__).parents[2] / "docs/how-to"


def test_the_workflow_that_n8n_imports_has_the_nodes_of_the_page_in_their_order() -> None:
    page = (HOW_TO / "send-events.md").read_text(encoding="utf-8")
    text = (HOW_TO / "send-events.n8n.json").read_text(encoding="utf-8")
    flow = json.loads(text)
    names = [each["name"] for each in flow["nodes"]]
    places = [page.index(f"**{name}**") for name in names]
    assert places == sorted(places)
    following = [each["main"][0][0]["node"] for each in flow["connections"].values()]
    assert [*flow["connections"], following[-1]] == [names[0], *following]
    expressions = re.findall(r'"=([^"]+)"', text)
    assert len(expressions) == 3
    assert [value for value in expressions if value not in page] == []
