"""Several agents of one developer send the same files: what another one sent, or the server forgot, hinders none of them."""

import os
import re
import subprocess
from collections.abc import Callable

from tests.server.bridge.conftest import Cut, Team, git


class Held(Cut):
    """A proxy that calls ``between`` with the ref of each push before it arrives."""

    def __init__(self, to: int, between: Callable[[str], object]) -> None:
        super().__init__(to)
        self.between = between

    def passed_on(self, more: bytes) -> None:
        if pushed := re.search(rb"refs/wfe/bridge/ada/in/[0-9a-f]{40}", more):
            self.between(pushed[0].decode())


def test_files_that_another_agent_of_the_clone_has_just_sent_are_sent(team: Team) -> None:
    ada = team.machine()
    refs = list[str]()

    def push(ref: str) -> None:
        header = f"http.extraHeader=Authorization: Bearer {ada.token}"
        there = f"{team.running.url}/git/{team.house.engine().project_id}"
        words = ["git", "-c", header, "push", "-q", there, f"{ref.rpartition('/')[2]}:{ref}"]
        env = {"PATH": os.environ["PATH"], "HOME": str(ada.folder)}
        subprocess.run(words, cwd=ada.root, env=env, capture_output=True, timeout=60, check=True)
        refs.append(ref)

    with Held(team.running.port, push) as proxy:
        client = ada.connect(f"http://localhost:{proxy.port}")
        ada.write("app.py", "new = 1\n")
        client.does("start_run", template="quick_fix", title="add", inputs={"problem": "x"})
    assert len(refs) == 1
    assert (team.there() / "app.py").read_text() == "new = 1\n"


def test_an_ignored_file_is_attached_again_after_the_server_has_forgotten_it(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    ada.write("build/log.txt", "seen\n")
    bug = {"title": "It fails", "attach": ["build/log.txt"]}
    client.does("work", action="add", kind="bug", item=bug)
    commit = git(team.root, "rev-parse", "HEAD")
    pushes = "".join(f"create refs/wfe/bridge/ada/in/{number:040x} {commit}\n" for number in range(40))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=team.root, input=pushes, text=True, check=True)
    ada.write("app.py", "new = 1\n")
    client.does("work", action="add", kind="bug", item={"title": "After many calls"})

    again = client.does("work", action="add", kind="bug", item={**bug, "title": "It fails again"})

    assert "log.txt" in str(again["data"])
