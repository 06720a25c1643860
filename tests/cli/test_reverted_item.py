"""An item whose merge was reverted by a plain `git revert` says so until the change is there again."""

import json
import subprocess

from tests.cli.delivered import git
from tests.cli.scene import PIN, Terminal

TEMPLATE = {
    "format": "wfe/1",
    "name": "ship",
    "version": "1.0.0",
    "title": "Ship a change",
    "phases": [
        {
            "id": "build",
            "prompt": "Build it.",
            "output": {"artifact": "change", "schema": {"type": "object"}},
            "gates": [{"kind": "approval"}],
        },
        {
            "id": "ship",
            "kind": "steps",
            "steps": [
                {"id": "branch", "builtin": "git.branch"},
                {"id": "commit", "builtin": "git.commit", "params": {"message": "app: two"}},
                {"id": "merge", "builtin": "git.merge"},
            ],
        },
    ],
}


def test_an_item_says_that_nothing_of_its_change_is_on_the_base_until_it_is_there_again(cli: Terminal) -> None:
    def show() -> str:
        return cli("work", "show", name).out

    remote = cli.place / "state" / "remote.git"
    git(cli.root, "init", "-q", "-b", "main")
    git(cli.root, "config", "user.name", "Ada")
    git(cli.root, "config", "user.email", "ada@example.org")
    (cli.root / ".gitignore").write_text(".wfe/\ndraft.json\n")
    (cli.root / ".wfe/config.toml").write_text('[delivery]\nmode = "merge"\n')
    (cli.root / ".wfe/templates/ship.json").write_text(json.dumps(TEMPLATE))
    git(cli.root, "add", "-A")
    git(cli.root, "commit", "-q", "-m", "begin")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    git(cli.root, "remote", "add", "origin", str(remote))
    git(cli.root, "push", "-q", "origin", "main")
    assert cli("trust", "--yes", pin=PIN).code == 0
    name = cli.json("work", "add", "Say two", "--body", "The value is two", "--criterion", "it is two").data["id"]
    assert cli("work", "edit", name, "--status", "ready").code == 0
    run = cli.json("work", "start", name, "--template", "ship").document["run"]
    (cli.root / "app.py").write_text("VALUE = 2\n")
    (cli.root / "draft.json").write_text("{}")
    assert cli("submit", run, "build", "--path", "draft.json").code == 0
    assert cli("approve", run, "build", pin=PIN).code == 0
    assert cli("watch", run).code == 0
    assert ("done task" in show(), "any more" in show()) == (True, False)
    git(cli.root, "update-ref", "refs/remotes/origin/main", "main^")
    assert "any more" not in show(), "what was fetched is older than the merge, and proves nothing"
    git(cli.root, "switch", "-q", "main")
    git(cli.root, "revert", "--no-edit", "HEAD")
    git(cli.root, "push", "-q", "origin", "main")
    assert f"nothing of what run {run} merged is on 'main' any more" in show()
    assert cli.json("work", "show", name).data["status"] == "done", "a person decides what follows"
    for status in ("planned", "ready"):
        assert cli("work", "edit", name, "--status", status, pin=PIN).code == 0
    assert cli("work", "edit", name, "--status", "done", "--reason", "two was wrong", pin=PIN).code == 0
    shown = cli.json("work", "show", name).data
    assert (shown["reason"], shown["gone_from_base"].partition(" any ")[0]) == (
        "two was wrong",
        f"nothing of what run {run} merged is on 'main'",
    )
    assert all(text in show() for text in ("two was wrong", f"nothing of what run {run} merged is on 'main' any more"))
    git(cli.root, "revert", "--no-edit", "HEAD")
    git(cli.root, "push", "-q", "origin", "main")
    assert "any more" not in show()
    git(cli.root, "commit", "-q", "--amend", "-m", "the same files, written anew")
    git(cli.root, "push", "-q", "--force", "origin", "main")
    assert "any more" not in show(), "the change is there"
    git(cli.root, "reset", "-q", "--keep", "main~3")
    git(cli.root, "commit", "-q", "--allow-empty", "-m", "without it")
    git(cli.root, "push", "-q", "--force", "origin", "main")
    assert f"nothing of what run {run} merged is on 'main' any more" in show()
