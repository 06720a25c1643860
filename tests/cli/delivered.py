"""A project whose person delivers changes: approved, committed, attested and pushed to a bare remote, and a clone that knows only that."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Said, Terminal
from wfe_mcp.core.canonical import signed_text
from wfe_mcp.delivery.attestations.envelope import DECISION, open_envelope, seal_statement, statement
from wfe_mcp.delivery.attestations.ref import REF, add, bundles
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.engine.approvals.approvers import ApproverChange, ApproverKey, PinnedChain
from wfe_mcp.engine.approvals.keys import fingerprint
from wfe_mcp.workspace.system.ed25519 import base64url

IDENTITY = ("-c", "user.name=mallory", "-c", "user.email=mallory@example.org", "-c", "commit.gpgsign=false")


def git(at: Path, *words: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *words], cwd=at, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass
class Delivery:
    """The project, its remote, and the agent that has the owner's token: it may push anything anywhere."""

    cli: Terminal
    start: str
    """The commit that names the approvers."""
    first: str
    """The run, and the commit, of the first delivered change."""
    commit: str

    @property
    def remote(self) -> Path:
        return self.cli.place / "state" / "remote.git"

    def git(self, *words: str) -> str:
        return git(self.cli.root, *words)

    def push(self, *refs: str) -> None:
        """What a forge does for the owner of the token: no rule stops it."""
        self.git("push", "-q", "--force", str(self.remote), *(refs or ("main", f"{REF}:{REF}")))

    def write(self, text: str, path: str = "app.py") -> str:
        """A commit on the branch that is checked out."""
        (self.cli.root / path).write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", f"Write {path}")
        return self.git("rev-parse", "HEAD")

    def approve(self, text: str, *, commits: bool = True) -> str:
        """A run whose person approves ``app.py`` with ``text``; committed and attested. The run."""
        return approved(self.cli, text, commits=commits)

    def clone(self) -> Path:
        """A new clone, with the attestations that the remote has."""
        there = self.cli.place / "state" / "clone"
        number = len(list(there.parent.glob("clone*")))
        there = there.with_name(f"clone{number}")
        git(there.parent, "clone", "-q", str(self.remote), there.name)
        git(there, "fetch", "-q", "origin", "+refs/wfe/*:refs/remotes/origin/wfe/*")
        return there

    def verify(self, *words: str) -> Said:
        return self.cli.json("--project", str(self.clone()), "verify", "--branch", "main", *words)

    def named(self, *words: str) -> list[tuple[str, str]]:
        """What a clone names: code, and the start of the commit or the ref."""
        found = self.verify(*words)
        problems: list[dict[str, Any]] = found.data["problems"]
        assert found.code == bool(problems), found.out
        return [(one["code"], one["where"].split(" ")[0]) for one in problems]


def approved(cli: Terminal, text: str, *, commits: bool = True) -> str:
    cli.clock.forward(minutes=1)
    (cli.root / "app.py").write_text(text, encoding="utf-8")
    run = cli.start("deed")
    assert cli.submit_work(run, "sign").code == 0
    answer = cli.json("approve", run, "sign", pin=PIN)
    assert answer.code == 0, answer.out
    if commits:
        git(cli.root, "add", "-A")
        git(cli.root, "commit", "-q", "-m", f"Write {text.strip()}")
        answer = cli.json("attest", run)
        assert answer.code == 0, answer.out
    return run


@scene
def delivered(cli: Terminal) -> tuple[str, str, str]:
    """Approvers are named in the first commit; one change is approved, attested and pushed."""
    git(cli.root, "init", "-q", "-b", "main")
    (cli.root / ".gitignore").write_text("draft.json\n")
    (cli.root / "ok").write_text("")
    (cli.root / "app.py").write_text("zero = 0\n")
    assert cli.json("approvers", "add", "ada", "--key", "mine", pin=PIN).code == 0
    git(cli.root, "add", "-A")
    git(cli.root, "commit", "-q", "-m", "Name who approves")
    start = git(cli.root, "rev-parse", "HEAD")
    run = approved(cli, "one = 1\n")
    remote = cli.place / "state" / "remote.git"
    git(cli.root, "init", "-q", "--bare", "-b", "main", str(remote))
    git(cli.root, "push", "-q", str(remote), "main", f"{REF}:{REF}")
    return start, run, git(cli.root, "rev-parse", "HEAD")


# what an agent can make itself


def forge_signature(delivery: Delivery, *, in_approvers: bool = False) -> None:
    """Put a bundle in place of the last one that is whole but for its signer: the agent's own key, and its own chain of approvers."""
    root, key = delivery.cli.root, Ed25519PrivateKey.generate()
    public = base64url(key.public_key().public_bytes_raw())
    (tree, _), *_ = files_tree(root, ["HEAD:"], "sha1")
    (decision,) = [
        one for raw in (bundles(root) or {})[tree] if (one := open_envelope(raw)) and one.predicate_type == DECISION
    ]
    values = json.loads(decision.predicate["statement"]) | {"key": fingerprint(public)}
    if in_approvers:
        name = ApproverKey(id=fingerprint(public), name="ada", public_key=public, kind="person")
        values["approvers"] = PinnedChain((ApproverChange(do="add", key=name, at=values["time"]),)).head
    text = signed_text(values)
    made = statement(
        tree,
        git(root, "rev-parse", "HEAD"),
        DECISION,
        {"statement": text, "signature": base64url(key.sign(text.encode()))},
    )
    git(root, "update-ref", "-d", REF)
    first = delivery.cli.json("attest", delivery.first, "--commit", delivery.commit)
    assert first.code == 0
    add(root, [(tree, seal_statement(made, public, key.sign))], delivery.cli.clock())


def move_bundle(delivery: Delivery, source: str, target: str) -> None:
    """Add the envelopes about the files of one commit as if they were about those of another one."""
    root = delivery.cli.root
    (one, _), (other, _) = files_tree(root, [f"{source}:", f"{target}:"], "sha1")
    add(root, [(other, raw) for raw in (bundles(root) or {})[one]], delivery.cli.clock())
