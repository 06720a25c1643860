"""What a step of a delivery works on: repository, settings, the run's item and branch, the approved files, the remote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunId, RunState
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.texts import one_line, slug
from wfe_mcp.delivery.fault import RETRY, DeliveryFault
from wfe_mcp.delivery.forges.pull_request_text import inert
from wfe_mcp.delivery.git.refs import commit_of, ref_of
from wfe_mcp.delivery.git.remote import Remote, fetch, url_of, why_elsewhere
from wfe_mcp.engine.credentials.stored import CredentialUse, hand_out
from wfe_mcp.engine.delivery.operations import Operation, base_in, committed_phase, operations_of
from wfe_mcp.engine.files.tree_binding import first_tree, ignored_globs
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.models.secrets import key_of
from wfe_mcp.engine.work.items import item_of_run, keep_changes
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import repository, run_git, text_of
from wfe_mcp.workspace.git.repository import first_parents, head, history, is_ancestor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from wfe_mcp.core.items import Item
    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.store.records.runs import RunRecord
    from wfe_mcp.workspace.config.delivery_table import DeliverySettings
    from wfe_mcp.workspace.config.settings import LoadedSettings

_SLUG_CHARS, _BODY_CHARS = 40, 4_000


class DeliveryPlace(NamedTuple):
    """Where a run is delivered. ``item``: the work item that this is for; None without one.

    ``part``: the name of a part of the work that is no item, and ``title`` what it is called; empty for all of the run.
    """

    engine: Engine
    run: RunRecord
    root: Path
    settings: DeliverySettings
    item: Item | None
    part: str = ""
    title: str = ""

    @property
    def values(self) -> Mapping[str, str]:
        """What the patterns of a branch name and of a message may name. Anyone may have written an item: a message commands no forge."""
        title = self.title or (self.item.title if self.item else self.run.title or self.run.template)
        return {
            "prefix": self.settings.prefix,
            "item": self.named or self.run.id,
            "slug": slug(title, _SLUG_CHARS) or "change",
            "run": self.run.id,
            "title": inert(title),
            "body": inert(self.item.body[:_BODY_CHARS]) if self.item else "",
            "template": self.run.template,
        }

    @property
    def named(self) -> str:
        """The part of the work that this is for, in one line; empty for all of a run without an item."""
        return self.item.id if self.item else one_line(self.part)

    @property
    def trailers(self) -> dict[str, str]:
        """The last lines of each message."""
        return {"Wfe-Run": self.run.id, "Wfe-Item": self.named}

    @property
    def operations(self) -> list[Operation]:
        """The operations of the run so far."""
        with self.engine.store.read() as tx:
            return operations_of(tx, self.run.id)

    @property
    def base(self) -> str:
        """The branch that the change begins at and is merged into."""
        return base_in(self.operations, self.settings.base)

    def is_protected(self, branch: str) -> bool:
        """Whether nothing pushes over, or removes, ``branch``: the base, and what configuration names. Case counts nowhere:
        some file systems take two names that differ in it for one.
        """
        own = [self.settings.base, *self.settings.protected]
        return match_globs(branch.casefold(), [name.casefold() for name in own])


class NotDelivered(Exception):
    """A run, or a step of it, is not delivered here; the text says why. ``remedy``: what to do for it to be."""

    def __init__(self, why: str, remedy: str = "Set [delivery] mode.") -> None:
        super().__init__(why)
        self.remedy = remedy


def place_of(engine: Engine, run: RunRecord, mode: str = "", part: str = "") -> DeliveryPlace:
    """Where ``run``, or this ``part`` of its work, is delivered. ``mode``: the one that a step belongs to; empty for any.

    Raises NotDelivered, DeliveryFault.
    """
    root = Path(run.worktree)
    if repository(root) is None:
        raise NotDelivered("no git")
    settings = delivering(engine.settings(), mode)
    if head(root) is None:
        raise DeliveryFault(
            "The repository has no commit yet. Make the first one: git commit; then retry.", "no_branch"
        )
    with engine.store.read() as tx:
        item = item_of_run(tx, run)
        if item is not None and part and part != item.id:
            under = (child for child in tx.items.children(engine.project_id, item.id) if child.id == part)
            item = next(under, None)
    return DeliveryPlace(engine, run, root, settings, item, part)


def delivering(loaded: LoadedSettings, mode: str = "") -> DeliverySettings:
    """How these settings deliver. Raises NotDelivered where they do not, or not by ``mode``."""
    settings = loaded.settings.delivery
    if settings.mode == "none" and loaded.untrusted:
        raise NotDelivered(
            "no person has trusted the project's configuration since it was changed",
            "Ask the user to look at it and run: wfe-mcp trust",
        )
    if settings.mode == "none" or mode not in {"", settings.mode}:
        raise NotDelivered(f"[delivery] mode is {settings.mode}")
    return settings


def note_on_item(place: DeliveryPlace, values: Mapping[str, Any]) -> None:
    """The work item of the run names what the delivery made: its commits, its pull request."""
    if place.item is None:
        return
    with place.engine.store.tx() as tx:
        item = tx.items.get(place.engine.project_id, place.item.id)
        keep_changes(place.engine, tx, item, values, SYSTEM)


def made_branch(operations: list[Operation]) -> Operation | None:
    """The newest branch that the run made and that was not undone."""
    own = [step for step in operations if step.kind == "git.branch" and step.done is not None and not step.undone]
    return own[-1] if own else None


def branch_of(place: DeliveryPlace, named: str) -> str:
    """The branch of the change: ``named``, else the one that the run made. Raises DeliveryFault ``no_branch``."""
    operation = made_branch(place.operations)
    if named or operation is not None:
        return named or str(operation.done["branch"] if operation and operation.done else "")
    why = "This run has made no branch. Put a step git.branch before this one, or name the branch in its parameter 'branch'."
    if undone := [step.key for step in place.operations if step.kind == "git.branch" and step.undone]:
        phase = shell_path(undone[-1].removeprefix("git.branch:").rsplit(":", 2)[0])
        why = f"Its branch was undone. Make it again: wfe-mcp retry {place.run.id} {phase}"
    raise DeliveryFault(why, "no_branch")


def base_of(place: DeliveryPlace, call: StepCall, named: str) -> str:
    """The branch to merge into: that of the run, or another that the template itself writes. Raises DeliveryFault ``protected``."""
    base = named or place.base
    refuse_base(place, base, is_computed=bool(named) and "${" in str((call.step.params or {})["base"]))
    return base


def refuse_base(place: DeliveryPlace, base: str, *, is_computed: bool = False) -> None:
    """Refuse to merge into a branch that is not the configured one and protected, or ``is_computed``. Raises DeliveryFault ``protected``."""
    if base != place.settings.base and (is_computed or place.is_protected(base)):
        why = f"{list(place.settings.protected)} in [delivery] protected covers it"
        if is_computed:
            why = "a value of the run names it, which no person may have seen"
        raise DeliveryFault(
            f"Nothing is merged into '{base}': {why}. Set [delivery] base to it, or write its name in the template; then {RETRY}.",
            "protected",
        )


def fork_of(root: Path, operations: list[Operation], onto: str, tip: str) -> str:
    """Where the change that ends at ``tip`` left the base, which is at ``onto`` and may have it already; empty if unknown.

    ``operations``: those of the run, which made the branch of the change last. What the base has brought into the change is no
    part of it, also where another has merged it: by a merge the base's line leads past the change, by a fast-forward into it.
    """
    if not tip:
        return ""
    fork = text_of(run_git(root, "merge-base", onto, tip, ok=None))
    if fork == tip:
        having = {*history(root, "--ancestry-path", "--end-of-options", onto, f"^{tip}")}
        before = next((commit for commit in first_parents(root, onto, tip) if commit not in having), tip)
        fork = text_of(run_git(root, "merge-base", before, tip, ok=None))
    operation = made_branch(operations)
    if fork not in {"", tip} or operation is None:
        return fork
    start = str(operation.before["start"])
    brought = history(root, "--first-parent", "--merges", "-n1", "--end-of-options", tip, f"^{start}")
    newest = commit_of(root, f"{brought[0]}^2") if brought else ""
    return newest if newest and is_ancestor(root, start, newest) else start


def newest_base(place: DeliveryPlace, base: str, there: str | None = None) -> str:
    """The newest commit of ``base``, here or on the remote. Raises DeliveryFault ``conflict``, ``no_branch``.

    ``there``: that of the remote, empty for none, where it was fetched already.
    """
    here, remote = commit_of(place.root, ref_of(base)), remote_of(place) if there is None else None
    there = fetch(remote, base) if remote is not None else there
    if not here and not there:
        raise DeliveryFault(
            f"There is no branch '{base}'. Name the base in [delivery] base or in the step's parameter 'base'; then {RETRY}.",
            "no_branch",
        )
    if not there or (here and is_ancestor(place.root, there, here)):
        return here
    if not here or is_ancestor(place.root, here, there):
        return there
    raise DeliveryFault(
        f"'{base}' here ({here[:12]}) and on {place.settings.remote} ({there[:12]}) have both gone on. See what each "
        f"has alone: git log --left-right {base}...{place.settings.remote}/{base}. Bring them together on '{base}': git pull --no-rebase "
        f"{place.settings.remote} {base}; push it. Or, where that of here was taken out there on purpose, drop it on '{base}': "
        f"git reset --keep {place.settings.remote}/{base}. Then try again.",
        "conflict",
    )


def tip_of(root: Path, branch: str) -> str:
    """The commit of ``branch``. Raises DeliveryFault ``no_branch``."""
    tip = commit_of(root, ref_of(branch))
    if not tip:
        raise DeliveryFault(f"Branch '{branch}' does not exist here. See git branch; then {RETRY}.", "no_branch")
    return tip


class Project(NamedTuple):
    """The same of a project, where no run is delivered."""

    engine: Engine
    root: Path
    settings: DeliverySettings
    run: RunRecord | None = None


def remote_of(place: DeliveryPlace | Project) -> Remote | None:
    """The remote to fetch from and push to; None where there is none. Raises DeliveryFault ``configuration``, ``no_remote``."""
    settings = place.settings
    url = url_of(place.root, settings.remote)
    if not url:
        others = text_of(run_git(place.root, "remote")).split() if settings.remote else []
        is_needed = settings.mode == "pull_request" or settings.address or others
        if settings.remote and is_needed:
            those = f"; it has {', '.join(others)}" if others else ""
            raise DeliveryFault(
                f"The repository has no remote '{settings.remote}'{those}. Add it: git remote add {settings.remote} "
                f'{settings.address or "ADDRESS"}, or name another in [delivery] remote ("" for none); then {RETRY}.',
                "no_remote",
            )
        return None
    if why := why_elsewhere(place.root, settings.remote, settings.address):
        raise DeliveryFault(f"{why}; then {RETRY}.", "configuration")
    url = settings.address or url  # which no agent writes
    if not settings.credential:
        return Remote(place.root, settings.remote, url)
    if not settings.address:
        raise DeliveryFault(
            f"[delivery] credential is given to no remote while [delivery] address is not set. Set address to {url} if the "
            f"credential is for it; then {RETRY}.",
            "configuration",
        )
    run = None if place.run is None else place.run.id
    return Remote(place.root, settings.remote, url, _token(place.engine, settings.credential, run))


def _token(engine: Engine, name: str, run: RunId | None) -> str:
    """The token that ``[delivery] credential`` names, read at the moment of the call and given to nothing that an agent starts.

    ``env:NAME`` is a variable of this process, as on a runner; the agent that starts the server has it too. The token is
    kept from every later message of this process. Raises DeliveryFault ``credentials``: it is not there, or has expired.
    """
    try:
        if name.startswith("env:"):
            return key_of(engine, name, name)
        return hand_out(engine, [name], CredentialUse("delivery", run))[name].value
    except Refused as refused:
        hint = refused.hint or ""
        raise DeliveryFault(f"{refused.message} {hint}; then {RETRY}.".strip(), "credentials") from refused


class ApprovedFiles(NamedTuple):
    """The files that were approved or judged last. ``tree``: as ``tree_hash`` names them, without ``ignored``; ``phase``: where.

    ``began``: the first tree of the run; ``at``: when the work on them began.
    """

    tree: str
    ignored: tuple[str, ...]
    phase: str
    began: str | None
    at: datetime | None


def approved_files(engine: Engine, run: RunRecord, current: Attempt) -> ApprovedFiles:
    """What a commit of the run has: the newest files that an approval or gates were about. Raises DeliveryFault ``review``."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run.id)
        attempt = newest_files(loaded.state, current)
        if attempt is None:
            raise DeliveryFault(
                "No approval and no gate of this run was about its files, so there is nothing approved to commit. Give a phase "
                "before this one an approval or a gate that reads the files; then start again.",
                "review",
            )
        ignored = ignored_globs(engine, tx, loaded, attempt.phase)
        tree = attempt.approved_tree or attempt.tree or ""
        return ApprovedFiles(tree, ignored, attempt.phase, first_tree(loaded.state), attempt.started_at)


def facts_of(engine: Engine, call: StepCall) -> dict[str, str]:
    """What the text of a blocker may name of the run: itself, this phase, and those whose files were judged and committed last."""
    settings = engine.settings().settings.delivery
    known = {"run": call.run.id, "deliver": shell_path(call.attempt.phase), "remote": settings.remote}
    with suppress(DeliveryFault):  # nothing was: then there is nothing to propose or merge
        judged = approved_files(engine, call.run, call.attempt).phase
        committed = committed_phase(operations_of(engine, call.run.id)) or judged
        known |= {"judged": shell_path(judged), "committed": shell_path(committed)}
    return known


def newest_files(state: RunState, current: Attempt) -> Attempt | None:
    """The attempt whose files an approval or gates were about last; None where none was."""
    done = [tries[-1] for tries in state.attempts.values() if still_counts(tries[-1], current)]
    bound = [attempt for attempt in done if (attempt.approved_tree or attempt.tree) and attempt.started_at is not None]
    return max(bound, key=lambda each: (str(each.started_at), each.iteration, each.number), default=None)


def still_counts(attempt: Attempt, current: Attempt) -> bool:
    """Whether what ``attempt`` showed holds for the step that ``current`` is at: no later attempt took its place."""
    return attempt.status is AttemptStatus.COMPLETED or attempt.phase == current.phase
