"""A fork is what starting the program would have been (tests/forks.py)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.forks import MANY, Forks
from tests.tools.stub import running_stub
from wfe_mcp.testing.stdio_client import StdioClient
from wfe_mcp.tools.client import list_tools
from wfe_mcp.workspace.config.settings_tables import FrozenServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are started for real elsewhere")

WFE = [sys.executable, "-m", "wfe_mcp"]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(tmp_path), "WFE_DATABASE_URL": f"sqlite:///{tmp_path / 'wfe.db'}"}

    def started(*words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*WFE, *words],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return started


@pytest.mark.parametrize(
    "words",
    [("--version",), ("list", "--json"), ("list", "--nonsense"), ("status", "none", "--json"), ("templates", "list")],
)
def test_a_fork_prints_and_ends_as_the_program_does(run: Run, forks: Forks, words: tuple[str, ...]) -> None:
    before = forks.made
    forked = run(*words)
    assert forks.made == before + 1
    forks.is_on = False
    real = run(*words)
    assert forks.made == before + 1
    assert (forked.returncode, forked.stdout, forked.stderr) == (real.returncode, real.stdout, real.stderr)


def test_a_fork_has_nothing_of_the_commands_that_its_server_has_done(run: Run, forks: Forks, tmp_path: Path) -> None:
    while forks.made < MANY:
        run("--version").check_returncode()
    text = "\n".join(
        (
            "import json, logging, os, wfe_mcp",
            "held = [os.readlink(f'/proc/self/fd/{each}') for each in os.listdir('/proc/self/fd')[:-1]]",
            "print(json.dumps([len(logging.getLogger().handlers), os.getcwd(), sorted(os.environ), held]))",
        )
    )
    output = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    handlers, folder, environment, held = json.loads(output.stdout)
    assert (handlers, folder) == (0, str(tmp_path))
    assert set(environment) <= {"HOME", "LC_CTYPE"}
    assert not [each for each in held if "wfe.db" in each or "rehearsal" in each]


def test_a_server_of_the_tests_is_forked_and_another_script_is_started(tmp_path: Path, forks: Forks) -> None:
    (own := tmp_path / "own.py").write_text("from mcp.server import MCPServer\n", encoding="utf-8")
    before = forks.made
    with running_stub(tmp_path / "calls.jsonl") as stub:
        assert forks.made == before + 1
        server = FrozenServer(name="stub", url=stub.url)
        assert "say" in {tool.name for tool in list_tools(server, timeout_s=60, env={}, cwd=tmp_path).tools}
    subprocess.run([sys.executable, str(own)], check=True)
    assert forks.made == before + 1


def test_a_module_of_the_tests_is_forked_with_its_arguments(tmp_path: Path, forks: Forks) -> None:
    words = [sys.executable, "-m", "tests.engine.credentials.dying", f"sqlite:///{tmp_path / 'wfe.db'}"]
    before = forks.made
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True)
    assert forks.made == before + 1
    assert (done.returncode, done.stderr.splitlines()[-1].split(":")[0]) == (1, "ValueError"), "two of four are missing"
    subprocess.run([sys.executable, "-m", "tests.first_line"], check=True)
    assert forks.made == before + 1, "it does not import our package"


def test_a_fork_is_a_child_of_the_test_and_is_killed_as_one(tmp_path: Path, forks: Forks) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WFE_DATABASE_URL": f"sqlite:///{tmp_path}/wfe.db",
    }
    before = forks.made
    with StdioClient([*WFE, "serve"], cwd=tmp_path, env=environment) as client:
        server = psutil.Process(client.pid)
        assert forks.made == before + 1
        assert (server.ppid(), server.cwd()) == (os.getpid(), str(tmp_path))
        assert {each.fd for each in server.open_files()} & {0, 1, 2} <= {2}, "pipes and a file for its log"
        client.kill()
        assert not psutil.pid_exists(client.pid)
        assert client.close() == -signal.SIGKILL


def test_a_fork_ends_in_order_when_it_is_asked_to(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WFE_DATABASE_URL": f"sqlite:///{tmp_path}/wfe.db",
    }
    argv = [*WFE, "ui", "--port", "0", "--json"]
    with subprocess.Popen(argv, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as page:
        assert page.stdout is not None
        answer = json.loads(page.stdout.readline())
        assert answer["ok"], answer
        page.send_signal(signal.SIGTERM)
        assert page.wait(60) == 0


@pytest.mark.parametrize("given", [{"PYTHONWARNINGS": "ignore"}, {"LC_ALL": "en_US.UTF-8"}])
def test_what_a_fork_cannot_reproduce_is_started_for_real(run: Run, forks: Forks, given: dict[str, str]) -> None:
    before = forks.made
    done = run("--version", **given)
    assert done.returncode == 0, done
    assert forks.made == before


@pytest.mark.usefixtures("real_processes")
def test_a_test_about_the_start_of_the_program_gets_the_program(run: Run, forks: Forks) -> None:
    before = forks.made
    done = run("--version")
    assert done.returncode == 0, done
    assert forks.made == before


def test_a_text_that_imports_our_package_is_run_as_python_runs_it(tmp_path: Path, forks: Forks) -> None:
    text = "import os, sys, wfe_mcp\nclass A: pass\nprint(sys.argv, A.__module__, __name__, os.getcwd(), sys.path[0])\nsys.exit(3)"
    before, done = forks.made, list[tuple[int, str, str]]()
    for is_on in (True, False):
        forks.is_on = is_on
        ended = subprocess.run([sys.executable, "-c", text, "a", "b c"], cwd=tmp_path, capture_output=True, text=True)
        done.append((ended.returncode, ended.stdout, ended.stderr))
    assert done[0] == done[1] and done[0][0] == 3
    assert forks.made == before + 1


ENDS = {
    "a number": "sys.exit(300)",
    "true": "sys.exit(True)",
    "a text": "sys.exit('no room')",
    "an error": "1 / 0",
    "what is registered": "import atexit; atexit.register(print, 'registered')",
    "a thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()",
    "no standard output": "print('lost'); import os; os.close(1)",
    "interrupted": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_fork_ends_as_python_ends(forks: Forks, how: str) -> None:
    text = f"import sys, wfe_mcp\nprint('begun')\n{ENDS[how]}"
    done, before = list[tuple[int, str, str]](), forks.made
    env = {"PATH": os.environ["PATH"]}
    for is_on in (True, False):
        forks.is_on = is_on
        ended = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=False)
        done.append((ended.returncode, ended.stdout, ended.stderr.splitlines()[-1] if ended.stderr else ""))
    assert forks.made == before + 1
    assert done[0] == done[1]


@pytest.mark.parametrize("text", ["print()", "import sys, wfe_mcp; print('sqlalchemy' in sys.modules)"])
def test_other_texts_and_those_that_ask_what_is_loaded_are_run_for_real(forks: Forks, text: str) -> None:
    before = forks.made
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout.strip() in {"", "False"}
    assert forks.made == before


def test_a_folder_that_is_not_there_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        subprocess.run([*WFE, "list"], cwd=tmp_path / "none", check=False)


def test_a_module_of_the_callers_path_is_found(tmp_path: Path, run: Run) -> None:
    # A package on PYTHONPATH brings a template: it is listed, as for a process of its own.
    site = tmp_path / "site"
    about = site / "acme-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[wfe_mcp.templates]\nacme_note = acme_note:TEMPLATE\n")
    (site / "acme_note.py").write_text(f"TEMPLATE = {str(site / 'acme_note.json')!r}\n")
    output = {"artifact": "note", "schema": {"type": "object"}}
    made = {
        "format": "wfe/1",
        "name": "acme_note",
        "version": "1.0.0",
        "title": "A note",
        "phases": [{"id": "draft", "prompt": "Write.", "output": output}],
    }
    (site / "acme_note.json").write_text(json.dumps(made))
    listed = json.loads(run("templates", "list", "--json", PYTHONPATH=str(site)).stdout)
    assert "acme_note" in {each["name"] for each in listed["data"]["templates"]}
