"""One page per database, for as long as a decision or a server needs it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.dashboard.browser import PIN, Browser, asked
from tests.dashboard.conftest import with_pin
from tests.engine.scene import Clock, Scene, approval, environment as environment_in, phase, refused
from tests.postgres import Cluster
from wfe_mcp.dashboard import serving
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decision_page as pages
from wfe_mcp.store import Store
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.runs import ProcessRecord

WAIT_S = 120.0


def waiting(scene: Scene) -> str:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    return asked(scene, run)


def a_server_lives(scene: Scene) -> None:
    _, engine = scene.neighbour()
    pid = int(engine.holder.split(":")[1])
    start = float(engine.holder.split(":")[2])
    with scene.store.tx() as tx:
        tx.processes.register(ProcessRecord(engine.identity.host, pid, start, "serve"))


def quiet(page: Page, seconds: float) -> None:
    """No one has looked for so long."""
    page._visited_at = time.monotonic() - seconds  # pyright: ignore[reportPrivateUsage] - in place of waiting


def test_the_page_says_where_it_is_and_takes_it_back(scene: Scene) -> None:
    assert pages.living_page(scene.engine) is None
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        assert pages.living_page(scene.engine) == page.port
        assert page.url == f"http://localhost:{page.port}/"
    assert pages.living_page(scene.engine) is None


def test_a_page_that_something_else_registered_is_never_used(scene: Scene) -> None:
    gone, engine = scene.neighbour()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port: int = other.getsockname()[1]
        record = ProcessRecord(
            engine.identity.host, gone.process.pid, float(engine.holder.split(":")[2]), "ui", port=port
        )
        with scene.store.tx() as tx:
            tx.processes.register(record)
        assert pages.living_page(scene.engine) is None, "it is no wfe-mcp, and does not listen there"
        for on_demand in (True, False):
            with serve_page(scene.engine, 0, on_demand=on_demand) as page:
                assert isinstance(page, Page)
                with scene.store.read() as tx:
                    assert [row.port for row in tx.processes.on_host(record.host) if row.kind.startswith("ui")] == [
                        page.port
                    ]
    gone.end()
    scene.neighbours.remove(gone)


def test_entering_the_pin_begins_a_session_with_a_new_name(scene: Scene) -> None:
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        browser = Browser(page.port)
        seen = browser.get("/")
        before = browser.cookie
        assert "What waits for you" in browser.send(seen, "/", pin=PIN).words
        assert browser.cookie != before
        known = Browser(page.port)
        known.cookie = before
        assert "Enter your PIN" in known.get("/").words, "the name from before the PIN opens nothing"


def test_a_port_that_is_taken_is_refused_when_it_was_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        no = refused(lambda: serve_page(scene.engine, port).__enter__())
        assert (no.code, "--port" in no.hint) == ("unavailable", True)
        monkeypatch.setattr(serving, "PORT", port)
        with serve_page(scene.engine) as page:
            assert isinstance(page, Page)
            assert page.port != port


@pytest.mark.attack("another program sits on the other loopback address of the decision page", "held", "T2")
@pytest.mark.skipif(not socket.has_ipv6, reason="localhost has one address here")
def test_a_port_of_which_someone_has_the_other_half_is_not_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no ::1")
    with other:
        monkeypatch.setattr(serving, "PORT", other.getsockname()[1])
        with serve_page(scene.engine) as page:
            assert isinstance(page, Page)
            assert page.port != other.getsockname()[1]


@pytest.mark.attack("half-open requests keep the person from the page", "held", "T2; A2")
@pytest.mark.parametrize(
    "half",
    [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"],
    ids=["silent", "header", "body"],
)
def test_requests_that_never_end_leave_the_page_reachable(page: Page, half: bytes) -> None:
    open_ones: list[socket.socket] = []
    try:
        for _ in range(150):
            made = socket.create_connection(("127.0.0.1", page.port), WAIT_S)
            open_ones.append(made)
            made.sendall(half.replace(b"localhost", f"localhost:{page.port}".encode()))
            if len(open_ones) in (70, 150):
                assert Browser(page.port).get("/").status == 200
    finally:
        for each in open_ones:
            each.close()


def test_it_stays_while_something_waits_and_a_server_lives(scene: Scene, page: Page) -> None:
    a_server_lives(scene)
    request = waiting(scene)
    quiet(page, 100_000)
    assert not page.is_idle(1800)
    assert Browser(page.port).approve(request).status == 200
    assert not page.is_idle(1800), "somebody has just looked"
    quiet(page, 1801)
    assert page.is_idle(1800)


def test_it_ends_soon_when_no_server_is_left(scene: Scene, page: Page) -> None:
    quiet(page, 299)
    assert not page.is_idle(1800)
    quiet(page, 301)
    assert page.is_idle(1800)
    assert waiting(scene)
    assert not page.is_idle(1800), "its address was given to somebody"


def test_it_makes_way_for_the_page_of_a_version_that_upgraded_the_database(scene: Scene, page: Page) -> None:
    a_server_lives(scene)
    waiting(scene)
    with closing(driver().connect(str(scene.engine.store.place))) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert not page.is_idle(1800), "somebody has just looked"
    quiet(page, 301)
    assert page.is_idle(1800)


def test_it_makes_way_for_the_page_of_a_version_that_upgraded_a_database_on_postgresql(
    blank: Path, tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    shutil.copytree(blank, tmp_path, dirs_exist_ok=True)
    clock = Clock()
    store = Store.open(postgres_url, clock=clock)
    with closing(Scene(tmp_path / "project", store, clock, environment_in(tmp_path))) as scene:
        a_server_lives(scene)
        waiting(with_pin(scene))
        with serve_page(scene.engine, 0) as page:
            assert isinstance(page, Page)
            quiet(page, 301)
            assert not page.is_idle(1800)
            newer = "UPDATE wfe.alembic_version SET version_num = '9999'"
            postgres.execute(newer, database=postgres_url.rpartition("/")[2])
            assert page.is_idle(1800)


def test_it_ends_with_its_database(scene: Scene, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not page.is_idle(1800)
    monkeypatch.setattr(page, "_database", scene.root / "gone.db")
    assert page.is_idle(1800)


# as a process


@pytest.fixture
def environment(scene: Scene) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    url = f"sqlite:///{scene.root.parent / 'wfe.db'}"
    return {**scene.environment, **kept, "WFE_DATABASE_URL": url}


@pytest.fixture
def process(scene: Scene, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--port", "0", "--json"]
    with subprocess.Popen(argv, cwd=scene.root, env=environment, stdout=subprocess.PIPE, text=True) as made:
        yield made
        if made.poll() is None:
            made.kill()


def test_the_command_prints_its_address_and_ends_in_order(
    scene: Scene, environment: dict[str, str], process: subprocess.Popen[str]
) -> None:
    request = waiting(scene)
    assert process.stdout is not None
    url: str = json.loads(process.stdout.readline())["data"]["url"]
    browser = Browser(int(url.removesuffix("/").rpartition(":")[2]))
    assert "A good title" in browser.get(f"/decide/{request}").words

    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--json"]
    second = subprocess.run(
        [*argv, "--on-demand"], cwd=scene.root, env=environment, capture_output=True, text=True, timeout=WAIT_S
    )
    assert (second.returncode, json.loads(second.stdout)["data"]["url"]) == (0, url)
    with subprocess.Popen(argv, cwd=scene.root, env=environment, stdout=subprocess.PIPE, text=True) as mine:
        assert mine.stdout is not None
        assert json.loads(mine.stdout.readline())["data"]["url"] != url, "a page that I open serves itself"
        mine.terminate()

    if sys.platform != "win32":
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        with scene.store.read() as tx:
            assert [row for row in tx.processes.on_host(scene.engine.identity.host) if row.kind == "ui"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
def test_the_printed_link_is_one_line_of_its_own_however_narrow_the_terminal_is(
    scene: Scene, environment: dict[str, str]
) -> None:
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--port", "0", "--idle", "300ms", "--no-browser"]
    with subprocess.Popen(argv, cwd=scene.root, env=environment, stdout=slave, stderr=slave) as process:
        assert process.wait(WAIT_S) == 0
    shown = os.read(master, 10_000).decode().splitlines()
    os.close(slave)
    os.close(master)
    assert shown[0] == "The decision page is running; Ctrl-C stops it. Open:"
    assert re.fullmatch(r"http://localhost:\d+/open/#code=\d+\.[\w-]+\.[0-9a-f]{64}", shown[1]), shown


def test_an_idle_page_ends_by_itself(scene: Scene, environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--port", "0", "--idle", "300ms", "--json"]
    ended = subprocess.run(argv, cwd=scene.root, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_duration_that_is_none_is_refused(scene: Scene, environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", "ui", "--idle", "soon", "--json"]
    ended = subprocess.run(argv, cwd=scene.root, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert (ended.returncode, json.loads(ended.stdout)["error"]["code"]) == (1, "bad_argument")
