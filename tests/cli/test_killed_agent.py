"""What is left where an agent or a command is ended: no phase is said to be worked at, and no check is left running."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cli.scene import CHECK, PIN, Terminal, phase, template
from wfe_mcp.testing.stdio_client import StdioClient


def test_a_phase_whose_agent_was_killed_waits_for_another(cli: Terminal) -> None:
    cli.save(template("one", phase("plan")))
    run = cli.start("one")
    with StdioClient([sys.executable, "-m", "wfe_mcp", "serve"], cwd=cli.root, env=dict(os.environ)) as agent:
        agent.call("start_phase", run=run)
        works = cli("status", run)
        assert "the agent is working" in works.out
        assert "its worker is gone" not in works.out
        agent.kill()
        left = cli("status", run)
    assert "waiting for the agent" in left.out
    assert "attempt 1, its worker is gone" in left.out
    assert "Next: tell your agent" in left.err


@pytest.mark.skipif(os.name == "nt", reason="the check says by a named pipe that it has begun")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_check_ends_with_the_command_that_runs_it(cli: Terminal, how: str) -> None:
    pipe = cli.root.parent / "begun"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    holds = f"import os, time; open({str(pipe)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    (cli.root / ".wfe" / "config.toml").write_text(f"[checks.test]\nargv = {[sys.executable, '-c', holds]!r}\n")
    assert cli("trust", "--yes", pin=PIN).code == 0
    cli.save(template("one", phase("build", CHECK)))
    (cli.root / ".wfe" / "work.json").write_text('{"text": "x"}')
    words = ["submit", cli.start("one"), "build", "--path", ".wfe/work.json"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-m", "wfe_mcp", *words], cwd=cli.root, env=env) as command:
        try:
            assert select.select([reader], [], [], 60)[0], "no check has begun"
            check = psutil.Process(int(os.read(reader, 20)))
            command.send_signal(getattr(signal, how))
            assert command.wait(60) == 130
            _, alive = psutil.wait_procs([check], timeout=60)
            for process in alive:
                process.kill()
            assert not alive
        finally:
            command.kill()
            os.close(reader)


LOADING = """
import sys
class Ends:
    def find_spec(self, name, *_):
        if name == "wfe_mcp.cli.app":
            raise KeyboardInterrupt  # as the handlers of the signals do
sys.meta_path.insert(0, Ends())
from wfe_mcp.__main__ import main
sys.exit(main())
"""


def test_a_command_that_is_ended_while_it_loads_says_nothing(real_processes: None) -> None:
    done = subprocess.run([sys.executable, "-c", LOADING, "status"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
