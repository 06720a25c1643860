"""Where a key and a question go: to what trusted configuration names, whatever the environment says."""

import hashlib
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.client_files import findings, posix
from tests.cli.scene import PIN, Terminal
from tests.engine.model_scene import ROLES, configure, gate, opinion, server
from tests.engine.scene import Scene, approval, phase
from tests.fake_models.server import ModelServer
from tests.providers.agents.conftest import Stub, text_line
from tests.providers.certificate import self_signed
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.providers.agents import ask_agent, run_agent
from wfe_mcp.providers.call import Connection, ProviderFault, Question, Task
from wfe_mcp.providers.probing import list_models
from wfe_mcp.providers.questions import ask
from wfe_mcp.providers.transport import client_options
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.config.origins import authorities
from wfe_mcp.workspace.config.provider_kinds import ProviderKind
from wfe_mcp.workspace.system.location import project_at, user_config_file

KEY = "sk-canary-0123456789"
NOWHERE = "https://provider.invalid/v1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
ADDRESSES = ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL")


class Trap:
    """A port that remembers what was said to it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.heard: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        while True:
            try:
                one, _ = self._listening.accept()
            except OSError:
                return
            with one:
                one.settimeout(60)
                self.heard.append(one.recv(4096))

    def close(self) -> None:
        """Stop listening. A closed socket alone does not wake ``accept``."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """Every variable by which an environment redirects requests leads here."""
    with closing(Trap()) as made:
        for name in (*PROXIES, *ADDRESSES):
            monkeypatch.setenv(name, made.url)
        monkeypatch.setenv("NO_PROXY", "")
        yield made


def connection(kind: ProviderKind, base_url: str, **other: Any) -> Connection:
    return replace(Connection("second", kind, "m", KEY, base_url, connect_s=2.0), **other)


def asked(one: Connection) -> object:
    return ask(one, Question("hello"))


def listed(one: Connection) -> object:
    return list_models(one)


@pytest.mark.attack("a proxy or address in the environment captures a provider's key", "held", "T6; A3")
@pytest.mark.parametrize("kind", ["anthropic", "openai", "openai-compatible"])
@pytest.mark.parametrize("call", [asked, listed])
def test_no_variable_redirects_a_request(trap: Trap, kind: ProviderKind, call: Callable[[Connection], object]) -> None:
    with pytest.raises(ProviderFault) as failed:
        call(connection(kind, base_url=NOWHERE))
    assert failed.value.kind == "no_route"
    assert trap.heard == []


@pytest.mark.attack("a certificate authority in the environment lets a false server take a key", "held", "T6; A3")
@pytest.mark.parametrize("kind", ["anthropic", "openai", "openai-compatible"])
def test_no_variable_adds_an_authority_and_configuration_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ProviderKind
) -> None:
    context = self_signed(tmp_path)
    authority = str(tmp_path / "self-signed.pem")
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with ModelServer(tls=context) as false:
        with pytest.raises(ProviderFault) as failed:
            list_models(connection(kind, base_url=false.v1))
        assert (failed.value.kind, false.count) == ("tls", 0)
        assert "ca_file in [http]" in failed.value.hint
        with pytest.raises(ProviderFault) as answered:  # it has no such list, which it says over a trusted connection
            list_models(connection(kind, base_url=false.origin + "/nothing", ca_file=authority))
        assert answered.value.kind != "tls"
        with pytest.raises(ProviderFault) as unreadable:
            list_models(connection(kind, base_url=false.v1, ca_file=str(tmp_path / "gone.pem")))
        assert (unreadable.value.kind, "gone.pem" in unreadable.value.message) == ("tls", True)


def test_a_configured_proxy_is_used(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name)
    with pytest.raises(ProviderFault):
        list_models(connection("openai-compatible", base_url=NOWHERE, proxy=trap.url))
    assert trap.heard and trap.heard[0].startswith(b"CONNECT provider.invalid:443")
    assert KEY.encode() not in b"".join(trap.heard)


@pytest.mark.attack("SSLKEYLOGFILE has the keys of connections that carry an API key written down", "held", "A3")
def test_no_variable_writes_down_the_keys_of_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, log = self_signed(tmp_path), tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    own = connection("openai-compatible", base_url="", ca_file=str(tmp_path / "self-signed.pem"))
    with ModelServer(tls=context) as server_, pytest.raises(ProviderFault) as answered:
        list_models(replace(own, base_url=server_.origin + "/nothing"))
    assert answered.value.kind != "tls", "it was reached"
    httpx2.Client(**client_options(replace(own, ca_file=""), NOWHERE, silence_s=1.0)).close()
    assert authorities().verify_mode is ssl.CERT_REQUIRED
    assert not log.exists()


@pytest.mark.attack(
    "a proxy and an authority that answers for reviewers are written into your own configuration", "held", "T6"
)
def test_user_configuration_names_proxy_and_authority_once_it_is_trusted(cli: Terminal) -> None:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('[http]\nproxy = "http://evil.example:1"\nca_file = "/evil.pem"\n', encoding="utf-8")

    def named() -> list[str]:
        values = cli.json("config", "show").data["settings"]
        return [values["http.proxy"], values["http.ca_file"]]

    assert named() == ["", ""]
    assert "proxy: http://evil.example:1" in cli("trust", "--yes", pin=PIN).out
    assert named() == ["http://evil.example:1", "/evil.pem"]


@pytest.mark.attack("a project names a proxy or authority for requests with a key", "held", "T6; A3")
def test_a_project_names_neither_proxy_nor_authority(cli: Terminal) -> None:
    text = '[http]\nproxy = "http://evil.example:1"\nca_file = "evil.pem"\nallow = ["http://localhost:1"]\n'
    (cli.root / ".wfe" / "config.toml").write_text(text)
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    http = cli.json("config", "show").data["settings"]
    assert (http["http.allow"], http["http.proxy"], http["http.ca_file"]) == (["http://localhost:1"], "", "")
    problems = " ".join(message for _, message in findings(cli, "configuration"))
    assert all(f"[http] {key} decides who sees your keys" in problems for key in ("proxy", "ca_file"))


@pytest.mark.attack("the environment sends a command-line reviewer to another address", "held", "T6; A3")
@pytest.mark.parametrize("kind", ["claude-code", "codex", "gemini-cli"])
@pytest.mark.parametrize("as_worker", [False, True], ids=["reviewer", "worker"])
def test_an_agent_gets_proxy_authority_and_address_from_configuration_only(
    tmp_path: Path, kind: ProviderKind, as_worker: bool
) -> None:
    stub = Stub(tmp_path / "program", tmp_path / "project")
    stub.plays()
    evil = dict.fromkeys((*PROXIES, *ADDRESSES), "http://evil.example")
    folders = {
        name: str(stub.root / "evil") for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "TMPDIR")
    }
    authorities = {name: str(stub.root / "ca.pem") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")}
    launch = stub.launch(source={**os.environ, **evil, **folders, **authorities, "NODE_OPTIONS": "--require ./evil.js"})
    trusted = stub.connection(kind, proxy="http://proxy.example:3128", ca_file="/etc/ssl/corporate.pem")
    if as_worker:
        run_agent(trusted, Task("Build it.", {}), launch, place="out.json")
    else:
        ask_agent(trusted, Question("Is it right?"), launch)
    env = stub.seen["env"]
    assert not [name for name, value in env.items() if "evil" in value or value.startswith(str(stub.root) + os.sep)]
    assert {env[name] for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY")} == {"http://proxy.example:3128"}
    assert {env[name] for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")} == {"/etc/ssl/corporate.pem"}


@posix
@pytest.mark.attack("a program of the project is found on PATH in place of the reviewer", "held", "T4; A3")
def test_a_reviewer_is_never_a_program_of_the_project(tmp_path: Path) -> None:
    stub = Stub(tmp_path / "program", tmp_path / "project")
    (stub.root / "bin").mkdir()
    evil = stub.root / "bin" / "claude"
    evil.write_text("#!/bin/sh\ntouch pwned\n")
    evil.chmod(0o755)
    for path in ("bin", str(stub.root / "bin")):
        launch = stub.launch(source={"HOME": str(tmp_path), "PATH": path})
        for call in (
            lambda launch=launch: ask_agent(stub.connection("claude-code", argv=()), Question("?"), launch),
            lambda launch=launch: run_agent(stub.connection("claude-code", argv=()), Task("x", {}), launch, place="o"),
        ):
            with pytest.raises(ProviderFault) as failed:
                call()
            assert failed.value.kind == "not_installed"
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.attack("a person does not see which program or address gave an opinion", "held", "T1; A2")
def test_the_address_or_program_that_reviewed_is_shown_with_its_opinion(
    home: Path, scene: Scene, tmp_path: Path
) -> None:
    stub = Stub(tmp_path / "program", tmp_path / "elsewhere")
    verdict = json.dumps({"verdict": "pass", "findings": [], "summary": "good"})
    stub.plays(text_line("claude-code", f"```json\n{verdict}\n```"))
    words = json.dumps([sys.executable, str(stub.program)])
    agent = f'[providers.cli]\nkind = "claude-code"\nargv = {words}\n[roles.four]\nprovider = "cli"\n'
    with server([opinion("pass")]) as model:
        configure(scene, model, extra=agent)
        run = scene.start(phase("plan", gate("one", "four"), approval()), roles=ROLES | {"four": {"provider": "four"}})
        scene.do(run, "plan")
        scene.work()
        shown = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
        assert shown is not None
        first, second = (each.source for each in shown.opinions)
    assert first == f"address {model.origin}"
    digest = hashlib.sha256(stub.program.read_bytes()).hexdigest()
    assert f"program {stub.program.resolve()} (sha256 {digest})" in second
    assert f"program {Path(sys.executable).resolve()} (sha256 " in second


@pytest.mark.attack(
    "a variable moves temporary files into the project, where its programs can change them", "held", "T5; A3"
)
def test_temporary_files_are_never_in_the_project(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = empty.root / "tmp"
    folder.mkdir()
    for place in (str(folder), "tmp"):
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        environment = {"TMPDIR": place, "TEMP": place, "HOME": os.environ["HOME"]}
        for name in ("TMPDIR", "TEMP"):
            monkeypatch.setenv(name, place)
        with closing(create_engine(project_at(empty.root), environment=environment)) as engine:
            assert set(engine.environment) == {"HOME"}
        assert not Path(tempfile.gettempdir()).is_relative_to(empty.root)
