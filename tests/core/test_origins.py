"""Texts that say where a run comes from."""

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.origins import refuse_of_triggers


def test_a_text_that_begins_like_that_of_a_trigger_is_taken_from_a_trigger_alone() -> None:
    key = f"{Channel.SCHEDULE} nightly"
    refuse_of_triggers(By("nightly", Channel.SCHEDULE, Assurance.AGENT), idempotency_key=key)
    refuse_of_triggers(By("agent", Channel.MCP, Assurance.AGENT), idempotency_key="my own", triggered_by=None)
    with pytest.raises(Refused, match="idempotency_key begins with 'schedule'") as no:
        refuse_of_triggers(By("agent", Channel.MCP, Assurance.AGENT), idempotency_key=key)
    assert [(detail.path, detail.got) for detail in no.value.details] == [("/idempotency_key", key)]
