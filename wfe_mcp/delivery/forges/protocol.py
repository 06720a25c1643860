"""What a delivery asks of a forge, and the values it gets.

Rules:
1. A pull request is known by its number and its head commit, never by the name of its branch alone.
2. Whether it can be merged is what the forge reports; a forge that is still computing raises ``NotYet``, and the job
   asks again later.
3. A merge names the head that was approved; the forge refuses when the head moved.
4. A forge sees a ``Channel``, not the token behind it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

from wfe_mcp.delivery.forges.blockers import BlockerCode

PullState = Literal["open", "merged", "closed"]
Checks = Literal["none", "running", "failed", "passed"]
Strategy = Literal["ff", "merge", "squash", "rebase"]


class Change(NamedTuple):
    """What is proposed: the commit ``head``, pushed as ``branch``, for ``base``."""

    branch: str
    base: str
    head: str


class Text(NamedTuple):
    """The text of a pull request. The body is Markdown."""

    title: str
    body: str


class PullRequest(NamedTuple):
    """A pull request as the forge reports it.

    ``merge``: whether it can be merged now; ``wait`` while checks run or the forge computes. ``blocker`` and ``why``: the
    reason of a ``no``, ``why`` in the forge's own words. ``merged``: the commit on the base, once it is merged. ``checks``:
    those at the head of an open one, required or not, as ``get`` reads them; ``none``: no check is there (yet).
    """

    number: int
    url: str
    state: PullState
    branch: str
    base: str
    head: str
    merge: Literal["yes", "no", "wait"] = "wait"
    blocker: BlockerCode | None = None
    why: str = ""
    merged: str = ""
    checks: Checks = "none"


class Abilities(NamedTuple):
    """What a login may do in one repository. ``rules``: what protects the base, one line each."""

    login: str
    push: bool
    merge: bool
    edit_rules: bool
    rules: tuple[str, ...]


class Reply(NamedTuple):
    """An answer of a forge's API. ``body``: JSON, or text."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Channel(Protocol):
    """A way to a forge's API that is already logged in."""

    @property
    def login(self) -> str:
        """What to do where the login is not accepted."""
        ...

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """The answer to ``method`` on ``path`` (without a leading slash). Raises ToolFault, NotYet, StepStopped."""
        ...


class Forge(Protocol):
    """Pull requests of one repository. Every method raises Blocked, NotYet, ToolFault and StepStopped."""

    def find(self, change: Change) -> PullRequest | None:
        """The newest pull request from this branch, at this head, to this base; None: there is none."""
        ...

    def get(self, number: int) -> PullRequest:
        """The pull request with that number, and whether it can be merged now."""
        ...

    def open(self, change: Change, text: Text) -> None:
        """Open a pull request."""
        ...

    def merge(self, number: int, head: str, strategy: Strategy, text: Text) -> None:
        """Merge, only while its head is ``head``. ``text``: the message of the commit, where the forge makes one."""
        ...

    def close(self, number: int) -> None:
        """Close it without a merge. Its branch stays."""
        ...

    def abilities(self, branch: str) -> Abilities:
        """What this login could do to ``branch``. Asks questions only."""
        ...


class ForgePlace(NamedTuple):
    """A repository at a forge. ``repository``: its path there, as in ``owner/name``; ``api``: without a slash at its end."""

    forge: str
    host: str
    repository: str
    api: str


MakeForge = Callable[[ForgePlace, Channel], Forge]
"""What an entry point of the group ``wfe_mcp.forges`` is."""
