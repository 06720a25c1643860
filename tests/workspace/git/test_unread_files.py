"""What is there and cannot be read is bound and named: a program may read it at another moment."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspace.conftest import Git, tree
from wfe_mcp.workspace.git.working_tree import changed_paths, parts_of

LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="leases are of Linux")
@pytest.mark.attack("hold a lease on a file, so that checks may read it and the server may not", "held", "T15")
def test_a_file_that_a_lease_keeps_from_us_is_bound_and_named(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "helper.py").write_text("import os\nos._exit(0)\n")
    argv = [sys.executable, "-c", LEASE, str(root / "helper.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        after = tree(root)
        holder.communicate()
    assert parts_of(after)[0] == before
    assert changed_paths(root, before, after) == ["helper.py"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among its files")
@pytest.mark.attack("a named pipe gives a runner its configuration, which no diff has", "held", "T15")
def test_a_pipe_where_a_runner_reads_is_bound_and_named(root: Path, repo: Git) -> None:
    before = tree(root)
    os.mkfifo(root / "GNUmakefile")
    assert changed_paths(root, before, tree(root)) == ["GNUmakefile"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions stop nobody here")
@pytest.mark.attack("a folder that no one may list has code that a check opens by its name", "held", "T15")
def test_a_folder_that_is_closed_to_us_is_bound_and_named(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "lib").mkdir()
    (root / "lib/helper.js").write_text("process.exit(0)\n")
    (root / "lib").chmod(0o311)
    after = tree(root)
    (root / "lib").chmod(0o755)
    assert changed_paths(root, before, after) == ["lib"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sockets among its files")
def test_a_socket_changes_nothing_since_no_check_can_open_one(root: Path, repo: Git) -> None:
    before = tree(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "server.sock"))
    assert tree(root) == before
