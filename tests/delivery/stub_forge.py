"""A forge on loopback that speaks the REST paths of GitHub and GitLab which deliveries use, over a real bare repository.

Merges are real: the trees, commits and refs are those that git makes. What a forge would compute or forbid is set by the
test: ``word`` (mergeable_state or detailed_merge_status), rules, checks, failures.
"""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.delivery.stub_issues import StubIssues
from tests.first_line import python_line

TOKEN = "ghp_canary-4f1f7c1d9b2e4a0c"
WHO = {
    "GIT_AUTHOR_NAME": "forge",
    "GIT_AUTHOR_EMAIL": "forge@example.org",
    "GIT_COMMITTER_NAME": "forge",
    "GIT_COMMITTER_EMAIL": "forge@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass
class Pull:
    """A pull request. Its head is that of the branch while it is open."""

    number: int
    branch: str
    base: str
    title: str
    body: str
    state: str = "open"
    head: str = ""
    merged: str = ""
    fork: bool = False


@dataclass
class Asked:
    """One request: who asked for what."""

    method: str
    path: str
    body: Any
    authorization: str


@dataclass
class StubForge(StubIssues):
    """The state of the forge. ``merge_method``: of the GitLab project; ``fail``: (method, part of the path) → what it answers."""

    bare: Path
    repository: str = "shop/till"
    token: str = TOKEN
    origin: str = ""
    word: str = ""
    merge_method: str = "merge"
    pulls: list[Pull] = field(default_factory=list[Pull])
    rules: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    checks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pipelines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    protected: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    permissions: dict[str, bool] = field(default_factory=lambda: {"admin": False, "push": True})
    level: int = 30
    fail: dict[tuple[str, str], Callable[[], tuple[int, dict[str, str], Any]]] = field(
        default_factory=dict[tuple[str, str], Callable[[], tuple[int, dict[str, str], Any]]]
    )
    asked: list[Asked] = field(default_factory=list[Asked])
    tamper: str = ""
    """Text that a merge adds to the file ``added.txt``: a forge, or one who holds its token, merges another tree."""

    def git(self, *words: str, stdin: str = "") -> str:
        """The output of git in the bare repository."""
        env = {"PATH": os.environ["PATH"], **WHO}
        done = subprocess.run(
            ["git", "-C", str(self.bare), *words], input=stdin, capture_output=True, text=True, env=env, check=False
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def tip(self, branch: str) -> str:
        """The commit of a branch, or an empty text."""
        done = subprocess.run(
            ["git", "-C", str(self.bare), "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def count(self, method: str, part: str) -> int:
        """How many requests of that method had a path that holds ``part``."""
        return sum(each.method == method and part in each.path for each in self.asked)

    # --- state

    def head(self, pull: Pull) -> str:
        """The head of an open pull request follows its branch."""
        if pull.state == "open":
            pull.head = self.tip(pull.branch) or pull.head
        return pull.head

    def opened(self, branch: str, base: str, title: str, body: str) -> Pull | str:
        """A new pull request, or why there is none."""
        if not self.tip(branch):
            return "head is invalid"
        if any((each.branch, each.base, each.state) == (branch, base, "open") for each in self.pulls):
            return f"A pull request already exists for {branch}."
        if self.tip(branch) == self.tip(base):
            return f"No commits between {base} and {branch}"
        made = Pull(len(self.pulls) + 1, branch, base, title, body)
        self.head(made)
        self.pulls.insert(0, made)
        return made

    def merge(self, pull: Pull, method: str, message: str) -> str:
        """The new commit of the base; empty: it conflicts."""
        base, head = self.tip(pull.base), self.head(pull)
        try:
            tree = self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except RuntimeError:
            return ""
        if self.tamper:
            blob = self.git("hash-object", "-w", "--stdin", stdin=self.tamper)
            listed = self.git("ls-tree", tree)
            tree = self.git("mktree", stdin=f"{listed}\n100644 blob {blob}\tadded.txt\n")
        parents = {"merge": [base, head], "squash": [base], "rebase": [base], "ff": [base]}[method]
        if method == "ff" and self.git("merge-base", base, head) == base and not self.tamper:
            commit = head
        else:
            commit = self.git("commit-tree", tree, *(word for each in parents for word in ("-p", each)), "-m", message)
        self.git("update-ref", f"refs/heads/{pull.base}", commit, base)
        pull.head, pull.state, pull.merged = head, "merged", commit
        for number in re.findall(r"^Closes #(\d+)$", pull.body, re.MULTILINE) if self.closes else ():
            self.issue(int(number))["state"] = "closed"
        return commit

    def conflicts(self, pull: Pull) -> bool:
        """Whether git cannot merge it."""
        try:
            self.git("merge-tree", "--write-tree", self.tip(pull.base), self.head(pull))
        except RuntimeError:
            return True
        return False

    # --- answers

    def answer(self, method: str, target: str, body: Any, authorization: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(Asked(method, parts.path, body, authorization))
        for (verb, part), made in list(self.fail.items()):
            if method == verb and part in parts.path:
                return made()
        if authorization != f"Bearer {self.token}":
            return 401, {}, {"message": "Bad credentials"}
        if parts.path.startswith("/api/v4/"):
            return self.gitlab(method, parts.path.removeprefix("/api/v4/"), query, body)
        return self.github(method, parts.path.removeprefix("/"), query, body)

    def github(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, dict[str, str], Any]:
        """GitHub's paths."""
        if path == "user":
            return 200, {}, {"login": "owner"}
        at = f"repos/{self.repository}"
        if path == at:
            return 200, {}, {"full_name": self.repository, "permissions": self.permissions}
        if not path.startswith(f"{at}/"):
            return 404, {}, {"message": "Not Found"}
        rest = path.removeprefix(f"{at}/")
        if rest == "pulls" and method == "GET":
            branch = query["head"].partition(":")[2]
            found = [each for each in self.pulls if (each.branch, each.base) == (branch, query["base"])]
            return 200, {}, [self._as_github(each) for each in found][: int(query["per_page"])]
        if rest == "pulls":
            made = self.opened(body["head"], body["base"], body["title"], body["body"])
            if isinstance(made, str):
                return 422, {}, {"message": "Validation Failed", "errors": [{"message": made}]}
            return 201, {}, self._as_github(made)
        if rest.startswith("issues") and (found := self.issues_at_github(rest, query, body)) is not None:
            return 200, {}, found
        if rest.startswith("rules/branches/"):
            return 200, {}, self.rules
        if (found := re.fullmatch(r"rulesets/(\d+)", rest)) is not None:
            return 200, {}, self.rulesets.get(int(found[1]), {})
        if re.fullmatch(r"branches/[^/]+", rest):
            return 200, {}, {"protected": False}
        if rest.endswith("/check-runs"):
            return 200, {}, {"check_runs": self.checks}
        one = re.fullmatch(r"pulls/(\d+)(/merge)?", rest)
        pull = next((each for each in self.pulls if one and each.number == int(one[1])), None)
        if one is None or pull is None:
            return 404, {}, {"message": "Not Found"}
        if method == "PATCH":
            pull.state = body.get("state", pull.state)
            return 200, {}, self._as_github(pull)
        if one[2]:
            return self._merged_at_github(pull, body)
        return 200, {}, self._as_github(pull)

    def _merged_at_github(self, pull: Pull, body: Any) -> tuple[int, dict[str, str], Any]:
        if self.head(pull) != body["sha"]:
            return 409, {}, {"message": "Head branch was modified. Review and try the merge again."}
        if pull.state != "open" or self._word(pull) not in {"clean", "unstable", "has_hooks"}:
            return 405, {}, {"message": "Pull Request is not mergeable"}
        commit = self.merge(pull, body["merge_method"], body.get("commit_title", pull.title))
        return 200, {}, {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}

    def _word(self, pull: Pull) -> str:
        return self.word or ("dirty" if self.conflicts(pull) else "clean")

    def _as_github(self, pull: Pull) -> dict[str, Any]:
        head = self.head(pull)
        return {
            "number": pull.number,
            "html_url": f"{self.origin}/{self.repository}/pull/{pull.number}",
            "state": "open" if pull.state == "open" else "closed",
            "merged": pull.state == "merged",
            "merge_commit_sha": pull.merged or None,
            "mergeable_state": self._word(pull) if pull.state == "open" else "unknown",
            "title": pull.title,
            "body": pull.body,
            "head": {
                "ref": pull.branch,
                "sha": head,
                "repo": {"full_name": "mallory/till" if pull.fork else self.repository},
            },
            "base": {"ref": pull.base, "sha": self.tip(pull.base)},
        }

    def gitlab(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, dict[str, str], Any]:
        """GitLab's paths."""
        if path == "user":
            return 200, {}, {"username": "owner"}
        at = f"projects/{self.repository.replace('/', '%2F')}"
        if path == at:
            access = {"project_access": {"access_level": self.level}, "group_access": None}
            return 200, {}, {"id": 1, "merge_method": self.merge_method, "permissions": access}
        if not path.startswith(f"{at}/"):
            return 404, {}, {"message": "404 Project Not Found"}
        rest = path.removeprefix(f"{at}/")
        if rest == "protected_branches":
            return 200, {}, self.protected
        if rest.startswith("issues") and (issues := self.issues_at_gitlab(rest, query, body)) is not None:
            return 200, {}, issues
        if rest == "merge_requests" and method == "GET":
            wanted = (query["source_branch"], query["target_branch"])
            found = [each for each in self.pulls if (each.branch, each.base) == wanted]
            return 200, {}, [self._as_gitlab(each) for each in found]
        if rest == "merge_requests":
            made = self.opened(body["source_branch"], body["target_branch"], body["title"], body["description"])
            if isinstance(made, str):
                return 409, {}, {"message": [made]}
            return 201, {}, self._as_gitlab(made)
        if rest.endswith("/pipelines"):
            return 200, {}, self.pipelines
        one = re.fullmatch(r"merge_requests/(\d+)(/merge)?", rest)
        pull = next((each for each in self.pulls if one and each.number == int(one[1])), None)
        if one is None or pull is None:
            return 404, {}, {"message": "404 Not found"}
        if one[2]:
            return self._merged_at_gitlab(pull, body)
        if method == "PUT" and body.get("state_event") == "close":
            pull.state = "closed"
        return 200, {}, self._as_gitlab(pull)

    def _merged_at_gitlab(self, pull: Pull, body: Any) -> tuple[int, dict[str, str], Any]:
        if self.head(pull) != body["sha"]:
            return 409, {}, {"message": "SHA does not match HEAD of source branch"}
        if self._status(pull) != "mergeable":
            return 405, {}, {"message": "405 Method Not Allowed"}
        how = "squash" if body["squash"] else self.merge_method
        self.merge(pull, how, body.get("squash_commit_message") or body.get("merge_commit_message") or pull.title)
        return 200, {}, self._as_gitlab(pull)

    def _status(self, pull: Pull) -> str:
        if pull.state != "open":
            return "not_open"
        return self.word or ("conflict" if self.conflicts(pull) else "mergeable")

    def _as_gitlab(self, pull: Pull) -> dict[str, Any]:
        return {
            "iid": pull.number,
            "web_url": f"{self.origin}/{self.repository}/-/merge_requests/{pull.number}",
            "state": "opened" if pull.state == "open" else pull.state,
            "detailed_merge_status": self._status(pull),
            "source_branch": pull.branch,
            "target_branch": pull.base,
            "source_project_id": 2 if pull.fork else 1,
            "target_project_id": 1,
            "sha": self.head(pull),
            "merge_commit_sha": pull.merged or None,
        }


@contextmanager
def serving(forge: StubForge) -> Generator[StubForge]:
    """The forge on a port of loopback, until the block ends."""

    class Answers(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, headers, value = forge.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
            content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = respond  # noqa: N815 - the names http.server asks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that reads no more of a huge answer

    server = Server(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    forge.origin = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


COMMAND = '''{first_line}
"""A stub of gh and glab: ``api --include --hostname HOST --method M PATH [--header H] [--input -]``."""
import json, os, sys, urllib.error, urllib.request

with open(os.path.join(os.path.dirname(__file__), "seen.json"), "a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]) + "\\n")
host, method, path = sys.argv[4], sys.argv[6], sys.argv[7]
token = {token!r}
if not token:
    sys.stderr.write("To get started, please run: gh auth login\\n")
    sys.exit(4)
data = sys.stdin.buffer.read() if "--input" in sys.argv else None
asked = urllib.request.Request("http://" + host + "{prefix}/" + path, data, method=method)
asked.add_header("Authorization", "Bearer " + token)
try:
    answer = urllib.request.urlopen(asked)
except urllib.error.HTTPError as fault:
    answer = fault
body = answer.read().decode()
sys.stdout.write("HTTP/2.0 %d X\\r\\n" % answer.status)
for name, value in answer.headers.items():
    sys.stdout.write(name + ": " + value + "\\r\\n")
sys.stdout.write("\\r\\n" + body)
sys.exit(1 if answer.status >= 400 else 0)
'''


def stub_command(folder: Path, name: str, prefix: str = "", token: str = TOKEN) -> Path:
    """A program ``gh`` or ``glab`` that is logged in with ``token`` (empty: not). It notes what it saw in ``seen.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text(COMMAND.format(first_line=python_line(), token=token, prefix=prefix))
    made.chmod(0o755)
    return made
