"""Suite-wide settings: temporary files, durability, and the number of Hypothesis examples.

Rules:
1. Nothing here changes what a test proves. Without a memory file system, and with ``durable=True``, all tests pass too.
2. Temporary files are in memory where the system offers it (``/dev/shm``): commits, git and checkpoints wait for a disk
   2 ms each time, some 200,000 times. ``--basetemp`` and ``PYTEST_DEBUG_TEMPROOT`` take precedence.
3. Stores that this process opens do not wait for the disk (``durable=False``); those of child processes do.
4. Properties get few examples here; ``.ci/run`` runs them once more with many, without measuring their coverage.
5. A key made by a test costs nothing to unlock: this process, and every fork of it, makes keys of the lowest cost. Nothing
   outside the process can say so; a child process makes keys of the full cost, so it is given the file of one.
6. Python may write bytecode: each worker and each child would otherwise compile the whole package again.
7. Our program is started as a fork of a loaded process (tests/forks.py).
8. Ctrl-C reaches child processes also where the suite runs in the background of a shell, which ignores SIGINT there.
9. The tests that ``slow.toml`` names run with ``-m slow``, or by their names; ``-m ""`` runs all.
10. Coverage, where it is measured (tests/measured), is that of this process: in the processes that tests start it would cost as much
   as the tests. ``measured_children`` measures the module that these run, for what runs nowhere else.
11. Tests with the fixture ``postgres`` have the mark of that name, and run where PostgreSQL is (tests/postgres.py).
12. ``-n auto`` is one process more than there are processors: for a third of its time a test waits for other processes.
"""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import hypothesis
import pytest

from tests.forks import Forks, forking
from tests.on_postgresql import ON_POSTGRESQL, Databases
from tests.packages import installed_once
from tests.postgres import Cluster, missing, running_cluster
from tests.slow import is_slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
"""A whole run needs some 200 MB at a time; a container with a few MB there has its files on the disk."""

RARELY = 20_000, 10, 10
"""When garbage is looked for. By default, after 700 new objects: half of that time goes into modules that a test has loaded."""

MEASURED = os.environ.get("WFE_MEASURED")
"""The folder to which this process writes its coverage, if it measures it."""
if MEASURED:  # before the first import of the package
    from tests.measured.sitecustomize import measure

    write_measurement = measure(Path(MEASURED))

hypothesis.settings.register_profile(  # the same examples each time where the coverage is measured
    "quick", deadline=None, max_examples=10, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTEST_ADDOPTS", None)  # read by now; a pytest that a test starts would write to the same report
    if any("::" in each for each in config.args) and config.option.markexpr == "not slow":
        config.option.markexpr = ""  # a test that is named is wanted
    if getattr(config.option, "dist", "no") == "no":  # else pytest-xdist starts workers, which need the variable
        os.environ.pop("WFE_MEASURED", None)
    sys.dont_write_bytecode = False
    if reads_backwards(config):
        config.pluginmanager.register(Backwards())
    if config.option.basetemp is None and has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)  # the wheel is tried without pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if is_slow(item.nodeid, fixtures):
            item.add_marker("slow")
        if "postgres" in fixtures:
            item.add_marker("postgres")
        if ON_POSTGRESQL and (reason := item.get_closest_marker("sqlite_only")):
            item.add_marker(pytest.mark.skip(reason=f"SQLite only: {reason.args[0]}"))


class Backwards:
    """Reads the last module first, in every second worker.

    In a new clone each module is compiled with its asserts rewritten, twice the work of all else: two workers that begin at both
    ends each do half of it, and read what the other has compiled. A plugin, since a folder's conftest.py sees no folder below.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if isinstance(collector, pytest.Directory) and report.result:
            report.result = report.result[::-1]
        return report

    @pytest.hookimpl(tryfirst=True)  # workers must agree on the order
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        modules = [[*group] for _, group in groupby(items, lambda item: item.path)]
        items[:] = chain.from_iterable(reversed(modules))


def reads_backwards(config: pytest.Config) -> bool:
    """Whether this is the second, fourth … worker, for one folder: of several, each would be read backwards by itself."""
    worker: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return int(worker.removeprefix("gw")) % 2 == 1 and len(config.args) == 1


def has_room(folder: Path) -> bool:
    """Whether tests can write and start programs in ``folder``, and have enough space there."""
    if sys.platform == "win32" or not os.access(folder, os.W_OK | os.X_OK):
        return False
    facts = os.statvfs(folder)
    return not facts.f_flag & os.ST_NOEXEC and facts.f_bavail * facts.f_frsize >= ROOM_BYTES


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Read the tests without looking for garbage, of which there is none: that took a fifth of the time, in a new clone more."""
    gc.disable()
    try:
        return (yield)
    finally:
        # What is loaded by now stays until the end: without it each full collection looks at a few million objects.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*RARELY)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the child processes that are left; each would be four lines of ResourceWarning below the failed tests.

    A test that failed keeps them by its traceback. Those of the controller are the workers, which execnet has ended.
    """
    is_controller = session.config.pluginmanager.hasplugin("dsession")
    if MEASURED and not is_controller:
        write_measurement()
    for each in cast("list[object]", gc.get_objects()):
        if issubclass(type(each), subprocess.Popen):  # isinstance would ask proxies, some of which load modules
            process = cast("subprocess.Popen[Any]", each)
            if cast("int | None", process.pid) is None:  # it never began
                continue
            if not is_controller:
                process.kill()  # nothing where it has ended
            process.wait(60)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed child process shows what it said: ``check=True`` names its exit code only."""
    report = yield
    failed = call.excinfo.value if call.excinfo else None
    if isinstance(failed, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        output = {"stdout": failed.stdout, "stderr": failed.stderr}
        report.sections += [
            (name, text if isinstance(text, str) else repr(text)) for name, text in output.items() if text
        ]
    return report


@pytest.fixture(scope="session", autouse=True)
def not_durable(request: pytest.FixtureRequest) -> Iterator[Databases | None]:
    from wfe_mcp.store import Store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", partial(Store.open, durable=False))
        made = Databases(request.getfixturevalue("postgres"), Store.open) if ON_POSTGRESQL else None
        if made is not None:
            patch.setattr(Store, "open", made.open)
        yield made


@pytest.fixture(autouse=True)
def _dropped(not_durable: Databases | None) -> Iterator[None]:
    yield
    if not_durable is not None:
        not_durable.drop()


@pytest.fixture(autouse=True)
def _own_data_folder(request: pytest.FixtureRequest) -> None:
    """What this machine keeps for a database that is no file of it: with the test, not in the home of who runs it."""
    if ON_POSTGRESQL or "postgres" in request.fixturenames:
        folder: Path = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").setenv("XDG_DATA_HOME", str(folder / "data"))


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks | None]:
    """Starts our program as a fork of a process that has it loaded (tests/forks.py); None where that is not possible."""
    if sys.platform != "linux":
        yield None
        return
    with forking() as made:
        yield made


@pytest.fixture(autouse=True)
def _forked(request: pytest.FixtureRequest, forks: Forks | None) -> None:
    if forks is not None:
        forks.is_on = "real_processes" not in request.fixturenames


@pytest.fixture
def real_processes() -> None:
    """Each process of our program is started for real: the test is about its start."""


@pytest.fixture
def measured_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that a test starts measure the module that they run, where this one measures its own."""
    if MEASURED:
        monkeypatch.setenv("WFE_MEASURED", MEASURED)
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "measured"))


@pytest.fixture(scope="session", autouse=True)
def cheap_keys() -> Iterator[None]:
    from wfe_mcp.engine.approvals import keys

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "COST", keys.Cost(memory_kib=8, iterations=1, seconds=0))
        yield


@pytest.fixture(scope="session", autouse=True)
def kept_validators() -> Iterator[None]:
    """A client checks each answer by the schema of its tool; compiling that (4 ms) is done once for all clients of this process."""
    if "mcp.client.session" not in sys.modules:  # no test that was read has a client
        yield
        return
    from mcp.client.session import ClientSession

    compiled = ClientSession._output_schema_validator  # pyright: ignore[reportPrivateUsage] - there is no switch for it
    kept: dict[str, Any] = {}

    def validator(self: ClientSession, name: str, schema: dict[str, Any]) -> Any:
        own = self._tool_output_validators  # pyright: ignore[reportPrivateUsage]
        if name not in own:
            text = json.dumps(schema, sort_keys=True)
            if text not in kept:
                kept[text] = compiled(self, name, schema)
            own[name] = kept[text]
        return own[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientSession, "_output_schema_validator", validator)
        yield


@pytest.fixture(scope="session")
def started_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chromium"]:
    from tests.dashboard.chromium import launched

    with launched(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def chromium(started_chromium: "Chromium") -> Iterator["Chromium"]:
    """The Chromium of this process, which the tests of a module use in turn (tests/dashboard/chromium.py)."""
    from tests.dashboard.chromium import at_hand

    with at_hand(started_chromium):
        yield started_chromium


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this process (tests/postgres.py). Skips without one, fails where the gate requires one."""
    reason = missing()
    if reason and os.environ.get("WFE_POSTGRES_REQUIRED"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The address of a fresh, empty database on PostgreSQL."""
    name = postgres.new_database()
    yield postgres.url(name)
    if not postgres.is_running:  # the test ended it
        postgres.start()
    postgres.drop(name)


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """``node_modules`` with deno, jest, mocha, playwright and vitest, installed once; skips where that is not possible."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    options = ["--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0", "--prefix", "."]
    packages = ["jest@30.5.2", "mocha@11.8.0", "@playwright/test@1.65.1", "vitest@3.2.7", "deno@2.9.6"]
    return installed_once("node", [npm, "install", *options, *packages]) / "node_modules"
