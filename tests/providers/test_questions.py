"""A question is sent once, over real HTTP, and each API's typed answer is parsed."""

import threading

import pytest

from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer
from tests.providers.conftest import KEY, VERDICT, Connect, Heard
from wfe_mcp.providers.call import Connection, Estimate, Image, ProviderFault, Question
from wfe_mcp.providers.faults import VENDORS
from wfe_mcp.providers.questions import HTTP_KINDS, ask
from wfe_mcp.workspace.config.provider_kinds import KIND_FACTS

PIXEL = b"\x89PNG\r\n\x1a\n"


@pytest.mark.requirement("S1-36")
def test_a_value_comes_through_the_typed_output_of_each_api(connect: Connect) -> None:
    with ModelServer([Turn(value={"verdict": "fail", "why": "no tests"})], key=KEY) as server:
        answer = ask(connect(server), Question("Is it good?", system="You review.", schema=VERDICT))

    assert answer.value == {"verdict": "fail", "why": "no tests"}
    assert answer.model == "m-1"
    assert (answer.usage.requests, answer.usage.input_tokens > 0, answer.usage.output_tokens > 0) == (1, True, True)
    (asked,) = server.asked
    assert asked.stream
    assert "You review." in str(asked.body)


def test_a_count_of_tokens_that_no_log_keeps_is_the_largest_that_it_keeps(connect: Connect) -> None:
    with ModelServer([Turn(text="Fine.", input_tokens=10**15, output_tokens=10**15)]) as server:
        usage = ask(connect(server), Question("?")).usage
    assert (usage.input_tokens, usage.output_tokens) == (2**31 - 1, 2**31 - 1)


def test_a_question_without_a_schema_gets_text_in_pieces_as_they_come(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([Turn(text="All is well with this change.")]) as server:
        answer = ask(connect(server), Question("Is it good?"), heard)

    assert (answer.text, answer.value) == ("All is well with this change.", None)
    assert len(heard.texts) > 1
    assert "".join(heard.texts) == answer.text


@pytest.mark.parametrize(
    "answer",
    [
        '{"verdict": "fail"}',
        'Let me think {so}.\n```json\n{"verdict": "fail"}\n```\nThat is all.',
        'First {"broken": then {"verdict": "fail"} and {"verdict": "pass"}',
    ],
)
def test_a_model_that_answers_in_words_still_answers_when_there_is_an_object_in_it(
    connect: Connect, answer: str
) -> None:
    with ModelServer([Turn(text=answer)]) as server:
        assert ask(connect(server), Question("?", schema=VERDICT)).value == {"verdict": "fail"}


@pytest.mark.parametrize(
    "turn",
    [
        Turn(text="I would say it passes."),
        Turn(text='["pass"]'),
        Turn(text='{"verdict": NaN}'),
        Turn(text="{" * 3_000),
        Turn(calls=(Call("answer", '{"verdict": "pa'),)),
        Turn(calls=(Call("another", {"verdict": "pass"}),)),
    ],
)
def test_an_answer_that_is_no_object_is_unparsable_and_is_not_asked_for_again(connect: Connect, turn: Turn) -> None:
    with ModelServer([turn]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?", schema=VERDICT))

    assert fault.value.kind == "unparsable"
    assert fault.value.usage.requests == server.count == 1


def test_an_answer_cut_off_at_max_tokens_is_no_answer(connect: Connect) -> None:
    with ModelServer([Turn(text="It is go", stop="length")]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server, max_tokens=5), Question("?"))

    assert fault.value.kind == "unparsable"
    assert "cut off after 5 tokens" in fault.value.message
    assert "max_tokens" in fault.value.hint


def test_a_model_that_declines_is_distinguished_from_one_that_fails(connect: Connect) -> None:
    with ModelServer([Turn(text="I cannot.", stop="refusal")]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?", schema=VERDICT))

    assert fault.value.kind == "refused"
    assert "declined" in fault.value.message


def test_a_model_without_tools_is_asked_in_the_prompt(connect: Connect) -> None:
    with ModelServer([Turn(text='{"verdict": "pass"}')]) as server:
        answer = ask(connect(server, options={"structured": "prompt"}), Question("Is it good?", schema=VERDICT))

    assert answer.value == {"verdict": "pass"}
    (asked,) = server.asked
    assert not asked.body.get("tools")
    assert '"enum": ["pass", "fail"]' in str(asked.body)


def test_pictures_are_handed_over(connect: Connect) -> None:
    with ModelServer([Turn(text="A dot.")]) as server:
        ask(connect(server), Question("What is this?", images=(Image(PIXEL),)))

    assert "iVBORw0KGgo" in str(server.asked[0].body)


def test_temperature_and_max_tokens_reach_the_model(connect: Connect) -> None:
    with ModelServer() as server:
        ask(connect(server, temperature=0.25, max_tokens=77), Question("?"))

    body = server.asked[0].body
    assert body["temperature"] == 0.25
    assert 77 in (body.get("max_tokens"), body.get("max_output_tokens"))


def test_each_call_is_announced_with_an_estimate_and_reported_once(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([Turn(value={"verdict": "pass"}, input_tokens=40, output_tokens=9)]) as server:
        ask(connect(server, max_tokens=500), Question("Is it good? " * 30, schema=VERDICT), heard)

    (estimate,) = heard.before
    assert estimate.output_tokens == 500
    assert 450 <= estimate.input_tokens <= 700
    ((usage, end),) = heard.after
    assert (usage.input_tokens, usage.output_tokens, end) == (40, 9, "answered")


def test_a_listener_that_refuses_prevents_the_call(connect: Connect) -> None:
    class Over(Exception):
        pass

    class Cap(Heard):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            raise Over

    cap = Cap()
    with ModelServer() as server, pytest.raises(Over):
        ask(connect(server), Question("?"), cap)

    assert server.count == 0
    assert cap.after == []


def test_a_listener_that_breaks_ends_the_call_and_is_reported_as_stopped(connect: Connect) -> None:
    class Broken(Exception):
        pass

    def broken(_: str) -> None:
        raise Broken

    heard = Heard(spoken=broken)
    with ModelServer([Turn(text="words and words")]) as server, pytest.raises(Broken):
        ask(connect(server), Question("?"), heard)

    assert heard.ends == ["stopped"]


def test_a_question_without_a_waiting_caller_is_stopped_while_the_model_answers(connect: Connect) -> None:
    stop = threading.Event()
    heard = Heard(spoken=lambda _: stop.set())
    server = ModelServer([Turn(text="It goes on and on.", drip_s=0.05, stall=True)])
    with server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?"), heard, stop.is_set)

    assert (fault.value.kind, fault.value.usage.requests) == ("stopped", 1)
    assert heard.ends == ["stopped"]


def test_a_question_is_stopped_before_a_model_says_anything(connect: Connect) -> None:
    heard, server = Heard(), ModelServer([Turn(hold=True)])
    with server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?"), heard, lambda: server.count > 0)

    assert fault.value.kind == "stopped"
    assert heard.ends == ["stopped"]


def test_what_should_stop_raises_ends_the_call_and_comes_out(connect: Connect) -> None:
    class Broken(Exception):
        pass

    def broken() -> bool:
        raise Broken

    heard = Heard()
    with ModelServer([Turn(hold=True)]) as server, pytest.raises(Broken):
        ask(connect(server), Question("?"), heard, broken)

    assert heard.ends == ["stopped"]


def test_the_environment_of_an_sdk_changes_neither_key_nor_address(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "from-the-environment")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/v1")

    with ModelServer([Turn(text="ok")], key=KEY) as server:
        assert ask(connect(server), Question("?")).text == "ok"


def test_every_kind_over_http_can_be_asked_and_has_its_vendors_address() -> None:
    networked = {kind: facts for kind, facts in KIND_FACTS.items() if facts.is_network}

    assert set(HTTP_KINDS) == set(networked)
    assert set(VENDORS) == {kind for kind, facts in networked.items() if facts.is_builtin}


def test_a_local_model_needs_no_key() -> None:
    with ModelServer([Turn(text="ok")]) as server:
        answer = ask(Connection("local", "openai-compatible", "llama", base_url=server.v1), Question("?"))

    assert answer.text == "ok"
    assert server.asked[0].body["max_tokens"] == 8_192


@pytest.mark.parametrize(
    ("connection", "kind", "says"),
    [
        (Connection("p", "anthropic", "m"), "not_configured", "no key"),
        (Connection("p", "openai", "", "k"), "not_configured", "No model"),
        (Connection("p", "openai-compatible", "m"), "not_configured", "no base_url"),
        (Connection("p", "openai", "m", "k", "http://models.example/v1"), "not_configured", "plain http"),
        (Connection("p", "openai", "m", "k", "ftp://models.example/v1"), "not_configured", "no address"),
        (Connection("p", "codex", "m"), "not_configured", "not called over HTTP"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(connection: Connection, kind: str, says: str) -> None:
    heard = Heard()
    with pytest.raises(ProviderFault) as fault:
        ask(connection, Question("?"), heard)

    assert fault.value.kind == kind
    assert says in fault.value.message
    assert fault.value.hint
    assert heard.before == []
