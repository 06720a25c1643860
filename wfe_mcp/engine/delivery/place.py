"""What a step of a delivery works on: repository, settings, the run's item and branch, the approved files, the remote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wfe_mcp.core.model import Attempt, AttemptStatus
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git.refs import commit_of, ref_of
from wfe_mcp.delivery.git.remote import Remote, url_of
from wfe_mcp.engine.delivery.credentials import token_of
from wfe_mcp.engine.delivery.operations import Operation, operations_of
from wfe_mcp.engine.files.tree_binding import ignored_globs
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.work.items import item_of_run, keep_changes
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.repository import head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.items import Item
    from wfe_mcp.core.model import RunState
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import RunRecord
    from wfe_mcp.workspace.config.delivery_table import DeliverySettings

_SLUG_CHARS, _BODY_CHARS = 40, 4_000


class Place(NamedTuple):
    """Where a run is delivered. ``item``: the work item that it works; None without one."""

    engine: Engine
    run: RunRecord
    root: Path
    settings: DeliverySettings
    item: Item | None

    @property
    def values(self) -> Mapping[str, str]:
        """What the patterns of a branch name and of a message may name."""
        title = self.item.title if self.item else self.run.title or self.run.template
        return {
            "prefix": self.settings.prefix,
            "item": self.item.id if self.item else self.run.id,
            "slug": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_SLUG_CHARS].strip("-") or "change",
            "run": self.run.id,
            "title": title,
            "body": self.item.body[:_BODY_CHARS] if self.item else "",
            "template": self.run.template,
        }

    @property
    def trailers(self) -> dict[str, str]:
        """The last lines of each message."""
        return {"Wfe-Run": self.run.id, "Wfe-Item": self.item.id if self.item else ""}

    @property
    def operations(self) -> list[Operation]:
        """The operations of the run so far."""
        return operations_of(self.engine, self.run.id)

    def is_protected(self, branch: str) -> bool:
        """Whether nothing pushes over, or removes, ``branch``: the base, and what configuration names."""
        return branch == self.settings.base or match_globs(branch, self.settings.protected)


def place_of(engine: Engine, run: RunRecord) -> Place | str:
    """Where ``run`` is delivered; else why it is not, as the result of its steps says it."""
    root, settings = Path(run.worktree), engine.settings().settings.delivery
    if repository(root) is None:
        return "no git"
    if settings.mode == "none":
        return "[delivery] mode is none"
    if head(root) is None:
        raise DeliveryFault(
            "The repository has no commit yet. Make the first one: git commit; then retry.", "no_branch"
        )
    with engine.store.read() as tx:
        item = item_of_run(tx, run)
    return Place(engine, run, root, settings, item)


def note_on_item(place: Place, values: Mapping[str, Any]) -> None:
    """The work item of the run names what the delivery made: its commits, its pull request."""
    if place.item is None:
        return
    with place.engine.store.tx() as tx:
        item = tx.items.get(place.engine.project_id, place.item.id)
        keep_changes(place.engine, tx, item, values, SYSTEM)


def made_branch(operations: list[Operation]) -> Operation | None:
    """The newest branch that the run made and that was not undone."""
    own = [one for one in operations if one.kind == "git.branch" and one.done is not None and not one.undone]
    return own[-1] if own else None


def branch_of(place: Place, named: str) -> str:
    """The branch of the change: ``named``, else the one that the run made. Raises DeliveryFault ``no_branch``."""
    made = made_branch(place.operations)
    if named or made is not None:
        return named or str(made.done["branch"] if made and made.done else "")
    raise DeliveryFault(
        "This run has made no branch. Put a step git.branch before this one, or name the branch in its parameter 'branch'.",
        "no_branch",
    )


def tip_of(root: Path, branch: str) -> str:
    """The commit of ``branch``. Raises DeliveryFault ``no_branch``."""
    found = commit_of(root, ref_of(branch))
    if not found:
        raise DeliveryFault(
            f"Branch '{branch}' does not exist here. See git branch; then retry the phase.", "no_branch"
        )
    return found


def remote_of(place: Place) -> Remote | None:
    """The remote to fetch from and push to; None where there is none. Raises DeliveryFault ``configuration``, ``no_remote``."""
    settings = place.settings
    url = url_of(place.root, settings.remote)
    if not url:
        if settings.remote and settings.mode == "pull_request":
            raise DeliveryFault(
                f"The repository has no remote '{settings.remote}', and a pull request needs one. Add it: git remote add "
                f"{settings.remote} ADDRESS; then retry the phase.",
                "no_remote",
            )
        return None
    if settings.address and url != settings.address:
        raise DeliveryFault(
            f"The remote '{settings.remote}' is {url}, and [delivery] address is {settings.address}: nothing is sent to another "
            f"place. Set it back: git remote set-url {settings.remote} {settings.address}; then retry the phase.",
            "configuration",
        )
    if not settings.credential:
        return Remote(place.root, settings.remote, url)
    if not settings.address:
        raise DeliveryFault(
            f"[delivery] credential is given to no remote while [delivery] address is not set. Set address to {url} if the "
            "credential is for it; then retry the phase.",
            "configuration",
        )
    return Remote(place.root, settings.remote, url, token_of(place.engine, settings.credential))


class Approved(NamedTuple):
    """The files that were approved or judged last. ``tree``: as ``tree_hash`` names them, without ``ignored``; ``phase``: where."""

    tree: str
    ignored: tuple[str, ...]
    phase: str


def approved_files(engine: Engine, run: RunRecord, current: Attempt) -> Approved:
    """What a commit of the run has: the newest files that an approval or gates were about. Raises DeliveryFault ``review``."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run.id)
        found = _newest(loaded.state, current)
        if found is None:
            raise DeliveryFault(
                "No approval and no gate of this run was about its files, so there is nothing approved to commit. Give a phase "
                "before this one an approval or a gate that reads the files; then start again.",
                "review",
            )
        return Approved(
            found.approved_tree or found.tree or "", ignored_globs(engine, tx, loaded, found.phase), found.phase
        )


def _newest(state: RunState, current: Attempt) -> Attempt | None:
    done = [
        tries[-1]
        for tries in state.attempts.values()
        if tries[-1].status is AttemptStatus.COMPLETED or tries[-1].phase == current.phase
    ]
    bound = [each for each in done if (each.approved_tree or each.tree) and each.started_at is not None]
    return max(bound, key=lambda each: (str(each.started_at), each.iteration, each.number), default=None)
