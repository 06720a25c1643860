"""The actions that need no server."""

import logging

import pytest

from wfe_mcp.tools.builtins import ACTIONS, act
from wfe_mcp.tools.fault import ToolFault, never
from wfe_mcp.workflow.model.steps import BUILTINS


def test_lint_knows_exactly_the_actions_there_are() -> None:
    assert tuple(sorted(ACTIONS)) == BUILTINS


def test_set_gives_its_parameters_and_log_writes_them(caplog: pytest.LogCaptureFixture) -> None:
    assert act("set", {"a": 1}) == {"a": 1}
    with caplog.at_level(logging.INFO, "wfe_mcp"):
        assert act("log", {"message": "hello %s"}) == {"message": "hello %s"}
    assert caplog.messages == ["hello %s"]


@pytest.mark.parametrize(("params", "answer"), [({"message": "RED"}, "RED"), ({}, "the template fails here")])
def test_fail_fails_with_its_message_and_nothing_has_happened(params: dict[str, str], answer: str) -> None:
    with pytest.raises(ToolFault, match=answer) as found:
        act("fail", params)
    assert not found.value.may_have_happened
    assert not never()
