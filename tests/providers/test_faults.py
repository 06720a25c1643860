"""Each provider failure has its own message and next step, without the key."""

import datetime
import socket
import sys
import threading
import traceback
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from tests.providers.certificate import self_signed
from tests.providers.conftest import KEY, VERDICT, Connect, Heard
from wfe_mcp.providers.call import FAULTS, Connection, Estimate, ProviderFault, Question
from wfe_mcp.providers.faults import retry_after_s, status_fault
from wfe_mcp.providers.questions import ask

SDK_WORDS = ("anthropic.", "openai.", "httpx", "pydantic", "Error(", "APIStatus", "status_code")


def failed(connection: Connection) -> ProviderFault:
    with pytest.raises(ProviderFault) as raised:
        ask(connection, Question("?", schema=VERDICT))
    return raised.value


ROWS = [
    (
        Turn(status=401, message=f"Incorrect API key provided: {KEY}"),
        "wrong_key",
        "rejected the key",
        "Check that the key",
    ),
    (Turn(status=403), "wrong_key", "may not use model 'm-1'", "another model"),
    (Turn(status=404), "wrong_model", "has no model 'm-1'", "providers test second"),
    (Turn(status=429, retry_after="17"), "rate_limited", "asks you to wait 17 s", "Wait"),
    (Turn(status=429), "rate_limited", "too many requests", "Wait"),
    (Turn(status=402), "refused", "no quota or credit", "Add credit"),
    (Turn(status=529), "overloaded", "HTTP 529", "another model"),
    (Turn(status=503, retry_after="3"), "overloaded", "asks you to wait 3 s", "another model"),
    (Turn(status=500), "overloaded", "HTTP 500", "another model"),
    (Turn(status=408), "timeout", "sent nothing", "Retry"),
    (Turn(status=413), "refused", "longer than model 'm-1' can read", "larger context"),
    (Turn(status=400, message=f"key {KEY} has no beta"), "refused", "key … has no beta", "options"),
    (Turn(malformed=True), "unparsable", "unreadable answer", "Retry"),
    (Turn(text="It is good", cut=True), "no_route", "closed the connection", "Retry"),
]


@pytest.mark.parametrize(("turn", "fails", "says", "next_step"), ROWS)
def test_each_failure_has_its_own_message_and_next_step_and_shows_neither_the_key_nor_an_sdk(
    connect: Connect, turn: Turn, fails: str, says: str, next_step: str
) -> None:
    with ModelServer([turn]) as server:
        fault = failed(connect(server))

    assert fault.kind == fails
    assert says in fault.message
    assert next_step in fault.hint
    assert server.count == fault.usage.requests == 1
    everything = "".join(traceback.format_exception(fault)) + repr(fault) + fault.hint
    assert KEY not in everything
    assert not [word for word in SDK_WORDS if word in fault.message + fault.hint]
    assert (fault.__cause__, fault.__context__) == (None, None)


@pytest.mark.parametrize(
    ("status", "fails"), [(429, {"rate_limited"}), (529, {"overloaded"}), (400, {"refused", "other"})]
)
def test_a_failure_inside_an_answer_that_has_begun_is_the_same(connect: Connect, status: int, fails: set[str]) -> None:
    heard = Heard()
    late = Turn(text="It is going to be", status=status, late=True, message="busy now")
    with ModelServer([late]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?"), heard)

    assert fault.value.kind in fails
    assert heard.texts
    assert heard.ends == [fault.value.kind]


def test_an_exhausted_account_is_no_rate_limit() -> None:
    with ModelServer([Turn(status=429, error_type="insufficient_quota")]) as server:
        fault = failed(Connection("second", "openai", "m", KEY, server.v1))

    assert (fault.kind, fault.passes) == ("refused", False)


def test_retry_after_is_read_as_seconds_and_as_a_date(connect: Connect) -> None:
    in_a_minute = format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90), usegmt=True)
    with ModelServer([Turn(status=429, retry_after=in_a_minute), Turn(status=429, retry_after="2.5")]) as server:
        waits = [failed(connect(server)).retry_after_s for _ in range(2)]

    assert waits[0] is not None
    assert 1 <= waits[0] <= 90
    assert waits[1] == 2.5


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, 7 * 86_400),
        ({"retry-after": "Fri, 01 Jan 9999 10:00:00 GMT"}, 7 * 86_400),
        ({"retry-after": "Fri, 20 Nov 99999999999999999999 10:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 20 Nov 2020 10:00:00"}, 0.0),
        ({}, None),
    ],
)
def test_a_wait_that_makes_no_sense_is_no_wait(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after_s(headers) == wait


def test_silence_is_a_time_out_wherever_it_begins(connect: Connect) -> None:
    with ModelServer([Turn(hold=True), Turn(text="It is go", stall=True)]) as server:
        faults = [failed(connect(server, response_s=0.5)) for _ in range(2)]

    assert [(fault.kind, fault.passes) for fault in faults] == [("timeout", True)] * 2
    assert {fault.message for fault in faults} == {"Provider 'second' sent nothing for 0.5 s."}


def test_a_model_that_drips_for_ever_is_no_silence_and_ends_at_the_total_limit(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([Turn(text="slow " * 20, drip_s=0.3)]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server, total_s=1.0, response_s=20.0), Question("?"), heard)

    assert fault.value.kind == "timeout"
    assert fault.value.message == "Provider 'second' did not finish within 1 s."
    assert heard.ends == ["timeout"]
    assert fault.value.usage.requests == 1


def test_waiting_for_its_turn_is_no_part_of_a_call(connect: Connect) -> None:
    class Queue(Heard):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            super().before_call(connection, estimate)
            threading.Event().wait(1.2)

    with ModelServer([Turn(text="ok")]) as server:
        assert ask(connect(server, total_s=1.0), Question("?"), Queue()).text == "ok"


def test_a_slow_model_within_its_limits_is_answered(connect: Connect) -> None:
    with ModelServer([Turn(text="slow but sure", drip_s=0.05)]) as server:
        assert ask(connect(server), Question("?")).text == "slow but sure"


def test_a_port_where_nothing_listens_is_no_route(connect: Connect) -> None:
    with ModelServer() as server:
        connection = connect(server)
    fault = failed(connection)

    assert (fault.kind, fault.passes) == ("no_route", True)
    assert f"cannot be reached at {server.origin}" in fault.message


def test_a_name_that_no_one_knows_is_no_route() -> None:
    fault = failed(Connection("second", "openai-compatible", "m", KEY, "https://nowhere.invalid/v1"))

    assert fault.kind == "no_route"
    assert "https://nowhere.invalid" in fault.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a connection wait when the queue is full")
def test_a_machine_that_accepts_no_connection_in_time_is_no_route(connect: Connect) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        here = f"http://127.0.0.1:{address[1]}/v1"
        fault = failed(Connection("second", "openai", "m", KEY, here, connect_s=0.5))
        for each in waiting:
            each.close()

    assert fault.kind == "no_route"
    assert "no connection in 0.5 s" in fault.message


def test_a_certificate_that_no_one_trusts_is_a_fault_of_its_own(connect: Connect, tmp_path: Path) -> None:
    with ModelServer(tls=self_signed(tmp_path)) as server:
        fault = failed(connect(server))

    assert (fault.kind, fault.passes) == ("tls", False)
    assert f"The certificate of {server.origin} is not trusted" in fault.message
    assert "ca_file in [http]" in fault.hint
    assert server.count == 0


def test_plain_text_where_tls_is_expected_is_a_fault_of_tls(connect: Connect) -> None:
    with ModelServer() as server:
        connection = connect(server)
        base_url = str(connection.base_url).replace("http://", "https://")
        fault = failed(connect(server, base_url=base_url))

    assert fault.kind == "tls"


def test_an_address_that_is_no_api_is_distinguished_from_an_unknown_model(connect: Connect) -> None:
    with ModelServer() as server:
        fault = failed(connect(server, base_url=f"{server.origin}/wrong"))

    assert fault.kind == "not_configured"
    assert "not as an API of kind" in fault.message
    assert "base_url" in fault.hint


def test_a_redirect_is_not_followed_so_no_key_goes_elsewhere(connect: Connect) -> None:
    with ModelServer() as elsewhere, ModelServer([Turn(status=307, location=f"{elsewhere.v1}/messages")]) as server:
        fault = failed(connect(server))

    assert fault.kind == "not_configured"
    assert "redirects to another address" in fault.message
    assert elsewhere.count == 0


def test_a_page_that_is_not_there_is_no_unknown_model() -> None:
    connection = Connection("second", "openai", "m", KEY, "https://example.com/docs")

    assert status_fault(connection, 404, ours=False).message == (
        "https://example.com answers, but not as an API of kind openai (HTTP 404)."
    )


def test_a_password_in_an_address_is_not_repeated() -> None:
    connection = Connection("second", "openai", "m", KEY, "https://me:secret@example.com/v1?token=secret")

    fault = status_fault(connection, 404, ours=False)
    assert "secret" not in fault.message + fault.hint


def test_every_kind_of_fault_says_whether_it_passes() -> None:
    passing = {kind for kind in FAULTS if ProviderFault(kind, "It failed.").passes}
    assert passing == {"no_route", "rate_limited", "overloaded", "timeout"}
