"""Git over HTTP shows and takes the granted refs alone, by the ordinary git of another machine."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from tests.loopback import TLS
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.git_http import git_routes
from wfe_mcp.dashboard.guard import Guard
from wfe_mcp.dashboard.http_server import HttpServer
from wfe_mcp.workspace.git.service import GitGrant

PUBLIC, SECRET, OWN = "refs/wfe/jobs/job-1", "refs/heads/main", "refs/wfe/bridge/ada"
Git = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Git as another machine has it: no configuration of a user."""
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    env |= {f"GIT_{who}_{what}": f"{who}@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*words: str, at: Path, token: str = "good", ok: bool = True) -> "subprocess.CompletedProcess[str]":
        header = ["-c", f"http.extraHeader=Authorization: Bearer {token}"]
        done = subprocess.run(["git", *header, *words], cwd=at, env=env, capture_output=True, text=True, timeout=60)
        assert not ok or done.returncode == 0, done
        return done

    return run


@pytest.fixture
def served(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit to be seen, and another one on main."""
    root = tmp_path / "served"
    root.mkdir()
    git("init", "-q", "-b", "main", "--template=", at=root)
    for name in ("seen", "secret"):
        (root / name).write_text(name)
        git("add", name, at=root)
        git("commit", "-q", "-m", name, at=root)
        if name == "seen":
            git("update-ref", PUBLIC, "HEAD", at=root)
    return root


@pytest.fixture
def url(served: Path) -> Iterator[str]:
    """The repository over HTTP; the token ``good`` reads the job's ref and pushes its own."""

    def grant_of(header: str, project: str) -> GitGrant:
        if header != "Bearer good":
            raise Refused("unauthorized", "The access token is unknown.", "Make one.")
        if project == "readable":
            return GitGrant(served, (PUBLIC,))
        return GitGrant(served, (OWN,), OWN)

    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = Guard(Starlette(routes=git_routes(grant_of)), port)
        server = HttpServer(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{port}/git"
        server.stop()
        thread.join()


def test_a_runner_fetches_the_ref_it_was_given(url: str, served: Path, tmp_path: Path, git: Git) -> None:
    mirror = tmp_path / "mirror"
    git("init", "-q", "--bare", "--template=", str(mirror), at=tmp_path)
    git("-c", "transfer.fsckObjects=true", "fetch", "-q", f"{url}/readable", f"{PUBLIC}:refs/job", at=mirror)
    assert git("ls-tree", "--name-only", "refs/job", at=mirror).stdout == "seen\n"


def test_what_was_not_granted_is_not_there(url: str, served: Path, tmp_path: Path, git: Git) -> None:
    assert git("ls-remote", f"{url}/readable", at=tmp_path).stdout.split("\t")[1:] == [f"{PUBLIC}\n"]
    main = git("rev-parse", SECRET, at=served).stdout.strip()
    mirror = tmp_path / "mirror"
    git("init", "-q", "--bare", "--template=", str(mirror), at=tmp_path)
    for version in ("0", "1", "2"):
        protocol = ("-c", f"protocol.version={version}")
        refused = git(*protocol, "fetch", "-q", f"{url}/readable", f"{main}:refs/stolen", at=mirror, ok=False)
        assert refused.returncode, refused
    here = git("cat-file", "-e", main, at=mirror, ok=False)
    assert here.returncode, here


def test_a_push_moves_the_callers_own_refs_and_no_others(url: str, served: Path, tmp_path: Path, git: Git) -> None:
    clone = tmp_path / "clone"
    git("clone", "-q", str(served), str(clone), at=tmp_path)
    (clone / "new").write_text("new")
    git("add", "new", at=clone)
    git("commit", "-q", "-m", "new", at=clone)
    git("push", "-q", f"{url}/own", f"HEAD:{OWN}/tree", at=clone)
    new = git("rev-parse", "HEAD", at=clone).stdout
    assert git("rev-parse", f"{OWN}/tree", at=served).stdout == new
    git("push", "-q", f"{url}/own", f"+HEAD~1:{OWN}/tree", at=clone)
    for ref in ("refs/heads/main", "refs/heads/other", "refs/wfe/bridge/adam", PUBLIC):
        before = git("for-each-ref", at=served).stdout
        refused = git("push", "-q", f"{url}/own", f"+HEAD:{ref}", at=clone, ok=False)
        assert refused.returncode, refused
        assert git("for-each-ref", at=served).stdout == before
    refused = git("push", "-q", f"{url}/readable", f"HEAD:{PUBLIC}", at=clone, ok=False)
    assert refused.returncode, refused  # it only reads


def test_nothing_of_the_repository_runs_when_something_is_pushed(
    url: str, served: Path, tmp_path: Path, git: Git
) -> None:
    hooks = served / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\n")
        (hooks / name).chmod(0o755)
    git("config", "uploadpack.packObjectsHook", f"touch {tmp_path}/ran-pack;", at=served)
    clone = tmp_path / "clone"
    git("clone", "-q", "--no-local", str(served), str(clone), at=tmp_path)
    (clone / "new").write_text("new")
    git("add", "new", at=clone)
    git("commit", "-q", "-m", "new", at=clone)
    git("push", "-q", f"{url}/own", f"HEAD:{OWN}/tree", at=clone)
    git("fetch", "-q", f"{url}/readable", PUBLIC, at=clone)
    assert not list(tmp_path.glob("ran-*"))


def test_a_tree_that_leads_out_of_its_folder_is_refused(url: str, served: Path, tmp_path: Path, git: Git) -> None:
    clone = tmp_path / "clone"
    git("clone", "-q", str(served), str(clone), at=tmp_path)
    blob = git("rev-parse", "HEAD:seen", at=clone).stdout.strip()
    bad = f"100644 {'../out'}".encode() + b"\0" + bytes.fromhex(blob)
    (tmp_path / "tree").write_bytes(bad)
    tree = git("hash-object", "-t", "tree", "-w", "--literally", str(tmp_path / "tree"), at=clone).stdout.strip()
    commit = git("commit-tree", "-m", "bad", tree, at=clone).stdout.strip()
    refused = git("push", "-q", f"{url}/own", f"{commit}:{OWN}/bad", at=clone, ok=False)
    assert refused.returncode, refused
    here = git("rev-parse", "-q", "--verify", f"{OWN}/bad", at=served, ok=False)
    assert here.returncode, here


def test_each_fault_of_a_caller_has_its_answer(url: str) -> None:
    advertised, fetch = "info/refs?service=git-upload-pack", "application/x-git-upload-pack-request"
    good = {"authorization": "Bearer good"}
    with httpx2.Client(trust_env=False, verify=TLS) as http:
        assert http.get(f"{url}/readable/{advertised}").status_code == 401
        assert http.get(f"{url}/readable/{advertised}", headers=good).status_code == 200
        other = http.get(f"{url}/readable/info/refs?service=git-receive-pack", headers=good)
        assert (other.status_code, "opens no git-receive-pack" in other.text) == (403, True)
        assert http.get(f"{url}/readable/info/refs?service=sh", headers=good).status_code == 400
        post = f"{url}/readable/git-upload-pack"
        assert http.post(post, headers=good, content=b"").status_code == 415, "a page could send it"
        bomb = http.post(
            post, headers={**good, "content-type": fetch, "content-encoding": "gzip"}, content=b"no gzip at all"
        )
        assert (bomb.status_code, "not gzip" in bomb.text) == (400, True)
        assert http.post(post, headers={**good, "content-type": fetch}, content=b"nonsense").status_code in {200, 503}
