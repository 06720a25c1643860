"""A command-line agent answers a question without writing."""

import functools
from pathlib import Path

import pytest

from tests.providers.agents.conftest import Stub, text_line
from tests.providers.agents.test_work import BLOCK, USAGES, kinds
from wfe_mcp.providers.agents import ask_agent
from wfe_mcp.providers.call import (
    Image,
    ProviderFault,
    Question,
)
from wfe_mcp.workspace.config.provider_kinds import ProviderKind


@kinds
def test_a_question_is_answered_without_writing(stub: Stub, kind: ProviderKind) -> None:
    stub.replays(kind, "done")
    question = Question("Is it good?", "You review.", {"type": "object"})
    answer = ask_agent(stub.connection(kind), question, stub.launch(), stub.ear)
    assert (answer.value, answer.usage) == (BLOCK, USAGES[kind])
    assert "You review.\n\nIs it good?" in stub.seen["prompt"] and ".wfe" not in stub.seen["prompt"]
    alone = {"claude-code": "--tools", "codex": "--ignore-user-config", "gemini-cli": "default"}[kind]
    assert alone in stub.seen["argv"]
    assert Path(stub.seen["cwd"]).name == "review"
    assert not (stub.root / ".wfe").exists()


@kinds
def test_a_question_without_a_schema_takes_any_text(stub: Stub, kind: ProviderKind) -> None:
    stub.plays(text_line(kind, "Yes, it is."))
    answer = ask_agent(stub.connection(kind), Question("Is it good?"), stub.launch())
    assert (answer.text, answer.value) == ("Yes, it is.", None)
    assert stub.seen["prompt"] == "Is it good?"


@kinds
def test_a_question_that_gets_no_answer_is_a_fault(stub: Stub, kind: ProviderKind) -> None:
    question = Question("Is it good?", schema={"type": "object"})
    stub.plays(text_line(kind, "Yes, it is."))
    with pytest.raises(ProviderFault) as unparsable:
        ask_agent(stub.connection(kind), question, stub.launch())
    stub.plays(("sleep", 600))
    with pytest.raises(ProviderFault) as late:
        ask_agent(stub.connection(kind, total_s=0.5), question, stub.launch())
    stop = functools.partial(ask_agent, stub.connection(kind), question, stub.launch(), None)
    with pytest.raises(ProviderFault) as stopped:
        stop(lambda: True)
    with pytest.raises(ProviderFault) as blind:
        ask_agent(stub.connection(kind), Question("See?", images=(Image(b"x"),)), stub.launch())
    found = [each.value.kind for each in (unparsable, late, stopped, blind)]
    assert found == ["unparsable", "timeout", "stopped", "not_configured"]
