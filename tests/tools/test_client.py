"""What a real MCP server answers us, as a child and over HTTP."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from tests.tools.stub import STUB, Stub, calls_in, running_stub
from wfe_mcp.tools.client import call_tool, list_tools
from wfe_mcp.tools.fault import StepStopped, ToolFault
from wfe_mcp.workspace.config.settings_tables import FrozenServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with running_stub(tmp_path_factory.mktemp("stub") / "calls.jsonl") as stub:
        yield stub


@pytest.fixture
def remote(running: Stub) -> FrozenServer:
    """The stub over HTTP."""
    running.calls.unlink(missing_ok=True)
    return FrozenServer(name="stub", url=running.url)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
def child(calls: Path) -> FrozenServer:
    """The stub as a child of ours."""
    return FrozenServer(name="stub", command=sys.executable, args=[str(STUB), str(calls)])


def call(server: FrozenServer, tool: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
    more = cast("dict[str, Any]", {"timeout_s": 60, "env": {}, "cwd": STUB.parent}) | more
    return call_tool(server, tool, params or {}, **more)


def fault(*args: Any, **more: Any) -> ToolFault:
    with pytest.raises(ToolFault) as found:
        call(*args, **more)
    return found.value


def test_the_tools_of_a_server_are_listed_with_its_version(remote: FrozenServer) -> None:
    found = list_tools(remote, timeout_s=60, env={}, cwd=STUB.parent)
    assert (found.name, found.version) == ("stub", "1.2.3")
    assert {"get_issue", "create_pull_request"} <= {tool.name for tool in found.tools}
    assert next(tool for tool in found.tools if tool.name == "say").description == "Plain words."


@pytest.fixture
def endless() -> FrozenServer:
    return FrozenServer(name="endless", command=sys.executable, args=["-S", str(STUB.with_name("endless_server.py"))])


def test_a_list_of_tools_without_an_end_is_refused(endless: FrozenServer) -> None:
    with pytest.raises(ToolFault) as raised:
        list_tools(endless, timeout_s=60, env={}, cwd=STUB.parent)
    assert str(raised.value) == "MCP server 'endless' lists tools without an end"


def test_a_refusal_of_megabytes_is_quoted_by_its_beginning(endless: FrozenServer) -> None:
    refused = fault(endless, "t1")
    assert str(refused).startswith("MCP server 'endless' refused the call: nono")
    assert len(str(refused)) < 3_000


def test_structured_content_is_the_result_else_json_text_else_the_text(remote: FrozenServer, running: Stub) -> None:
    assert call(remote, "create_branch", {"branch": "fix/7"}) == {"ref": "refs/heads/fix/7", "base": "main"}
    issue = call(remote, "get_issue", {"number": 7}, key="run:7")
    assert issue["labels"] == [{"name": "bug"}]
    assert issue["title"] == "Crash: ${inputs.goal} ${1 + 1}"
    assert call(remote, "say", {"words": "12"}) == "12", "only an object or a list is taken for JSON"
    assert call(remote, "say", {"words": "{no json"}) == "{no json"
    assert call(remote, "nothing") == {"content": []}
    assert running.called("get_issue")[0]["key"] == "run:7"


def test_what_the_tool_refuses_has_not_happened(remote: FrozenServer) -> None:
    found = fault(remote, "flaky", {"times": 2})
    assert "stub.flaky answered with an error: " in str(found)
    assert "try 1 is no good" in str(found)
    assert not found.may_have_happened
    assert not fault(remote, "no_such_tool").may_have_happened
    assert not fault(remote, "get_issue", {"number": "seven"}).may_have_happened


def test_a_result_that_is_too_large_may_have_happened(remote: FrozenServer) -> None:
    found = fault(remote, "large")
    assert "stub.large answered 1,000,003 bytes" in str(found)
    assert found.may_have_happened


def test_no_proxy_is_asked(remote: FrozenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert call(remote, "say", {"words": "hello"}) == "hello"


def test_an_address_without_a_listener_has_done_nothing() -> None:
    found = fault(FrozenServer(name="gone", url="http://127.0.0.1:9/mcp"), "x")
    assert "MCP server 'gone' could not be reached" in str(found)
    assert not found.may_have_happened


def test_a_command_sees_only_what_it_is_given(child: FrozenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "s")
    seen = call(child, "environment", env={"GITHUB_TOKEN": "t"})
    assert seen["GITHUB_TOKEN"] == "t"
    assert "OUR_SECRET" not in seen


@pytest.mark.requirement("B-16")
def test_no_answer_in_time_may_have_happened(remote: FrozenServer, running: Stub) -> None:
    found = fault(remote, "hang", {"seconds": 3}, timeout_s=1.5)
    assert "was called, but did not answer: no answer within 1.5 s" in str(found)
    assert found.may_have_happened
    assert len(running.called("hang")) == 1


def test_a_server_that_dies_in_the_call_may_have_done_it(child: FrozenServer, calls: Path) -> None:
    found = fault(child, "die")
    assert "did not answer" in str(found)
    assert found.may_have_happened
    assert len(calls_in(calls)) == 1


def test_work_that_must_stop_stops_and_the_server_ends_with_it(child: FrozenServer, calls: Path) -> None:
    with pytest.raises(StepStopped):
        call(child, "hang", should_stop=calls.exists)
    assert not psutil.pid_exists(calls_in(calls)[0]["pid"])


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (["no-such-program-of-ours"], "could not be reached"),
        ([sys.executable, "-c", "import sys; sys.exit('no token')"], "its error output: no token"),
    ],
)
def test_a_server_that_does_not_start_has_done_nothing(argv: list[str], answer: str) -> None:
    found = fault(FrozenServer(name="bad", command=argv[0], args=argv[1:]), "x")
    assert "MCP server 'bad' could not be reached" in str(found)
    assert answer in str(found)
    assert not found.may_have_happened
