"""``wfe-mcp init``: find the project's checks, try them, set the PIN, trust the configuration."""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.confirm import require_confirmation, user_agrees
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import join_names, plural

if TYPE_CHECKING:
    from wfe_mcp.core.model import Person
    from wfe_mcp.engine.checks.trial import Trial
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.templates.effects import EffectChange
    from wfe_mcp.engine.templates.trust_listing import TrustListing
    from wfe_mcp.workspace.config.checks import CheckSettings
    from wfe_mcp.workspace.config.config_file import ConfigWritten
    from wfe_mcp.workspace.config.settings import LoadedSettings
    from wfe_mcp.workspace.discovery.found_checks import FoundCheck, FoundChecks


NoTrial = Annotated[bool, typer.Option("--no-trial", help="Store the checks that are found without running them.")]


def init(invocation: Invocation, yes: Yes = False, pin_fd: PinFd = None, no_trial: NoTrial = False) -> None:
    """Find and try checks, set your PIN, connect your clients.

    At a terminal it shows all that it would do, and your PIN agrees to it: the one that you have, or that you choose then. If
    you press Enter instead, each step asks; so it is where a gate would be weakened. It runs each check that it finds once,
    after it has shown the commands and you have agreed (--yes agrees), at most 2 min each and 5 min in all. One
    that fails runs again with all variables of your shell; where it passes then, those that it needs are found, and the
    check gets them by name. Tests that work run once more in a checkout; if they do the same there, their gates will run
    there. It adds the checks that work to .wfe/config.toml, changes nothing that the file already has, says what does not
    work and why, shows every effect, and trusts the file unless it weakens a gate. You can repeat it: a check that did not
    work the last time is tried again.
    """
    from wfe_mcp.cli.terminal.connecting import offer
    from wfe_mcp.cli.terminal.trials import trial_view
    from wfe_mcp.engine.checks.last_trials import remember
    from wfe_mcp.workspace.config.config_file import write_config

    engine = invocation.engine
    setup = _find(engine)
    agreed = _agree(invocation, setup, yes=yes, pin_fd=pin_fd, no_trial=no_trial)
    with _takes_back(engine.root / ".wfe"):
        trials, works, by = _try(invocation, setup, agreed, yes=yes, pin_fd=pin_fd, no_trial=no_trial)
    remember(engine.root, trials, engine.clock())  # after all questions: an init that ends before leaves nothing
    written = write_config(engine.root, works)
    if by is None and (works or setup.waits):
        raise Refused(
            "needs_human",
            f"{written.path} is written, but needs your PIN to take effect.",
            "Run wfe-mcp init in a terminal of your own, or: wfe-mcp init --yes --pin-fd N",
            data={"trials": [trial_view(trial) for trial in trials]},
        )
    listings, rest = _trust(invocation, by, written.path, agreed.changes if yes else None, shows=yes)
    _answer(invocation, setup, written, trials, listings, rest)
    if not invocation.screen.as_json:
        offer(invocation.screen, engine.root, _shared_files(engine), at_once=agreed.at_once)
        invocation.screen.next(*_next(invocation, trials))


@dataclass(frozen=True, slots=True)
class _Setup:
    """What is here before init asks anything. ``missing``: checks that the file lacks; ``doubted``: those that did not work last.

    ``waits``: something needs the user's PIN whatever the trials say.
    """

    settings: "LoadedSettings"
    project: "FoundChecks"
    held: "Mapping[str, CheckSettings]"
    missing: "Sequence[FoundCheck]"
    doubted: "Sequence[FoundCheck]"
    waits: bool


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What the user agreed to before the trials. ``changes``: the effects that they saw, None where each step asks.

    ``at_once``: their PIN agreed to all of it, the variables ``homes`` included.
    """

    by: "Person | None"
    changes: "tuple[EffectChange, ...] | None"
    homes: "Sequence[str]"
    at_once: bool


def _find(engine: "Engine") -> _Setup:
    """The project's checks beside those of its file. Refuses a file that cannot take more, before anything runs."""
    from wfe_mcp.engine.approvals.pin import pin_is_set
    from wfe_mcp.workspace.config.config_file import with_checks
    from wfe_mcp.workspace.discovery.found_checks import find_checks

    settings, project = engine.settings(), find_checks(engine.root)
    held = (settings.pending or settings.settings).checks
    missing = [check for check in project.checks if check.name not in held]
    with_checks(engine.root, {check.name: check.settings for check in missing})
    waits = bool(settings.untrusted) or settings.project_file is None or not pin_is_set(engine)
    return _Setup(settings, project, held, missing, _doubted_checks(engine.root, project.checks, held), waits)


def _agree(invocation: Invocation, setup: _Setup, *, yes: bool, pin_fd: int | None, no_trial: bool) -> _Agreed:
    """Show what would be tried and allowed, and ask for the PIN where it agrees to that before the trials.

    A wrong PIN must leave no trace, so it comes before the file, and with --yes before the trials.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal, settle_pin
    from wfe_mcp.cli.terminal.trials import show_checks

    show_checks(invocation.screen, [] if no_trial else [*setup.missing, *setup.doubted])
    homes = _homes(setup.missing)
    asks = pin_fd is not None or ((bool(setup.missing) or setup.waits) and at_terminal())
    if asks and yes:
        changes = _show_effects(invocation, setup.missing) if pin_fd is None else None
        return _Agreed(settle_pin(invocation.engine, pin_fd), changes, homes, at_once=False)
    once = _agrees_to_all(invocation, setup.missing, homes) if asks and pin_fd is None and not no_trial else None
    by, changes = once or (None, None)
    return _Agreed(by, changes, homes, at_once=once is not None)


def _try(
    invocation: Invocation, setup: _Setup, agreed: _Agreed, *, yes: bool, pin_fd: int | None, no_trial: bool
) -> "tuple[Sequence[Trial], Mapping[str, CheckSettings], Person | None]":
    """Try the checks; those that work and the file lacks; and whose PIN agrees to them, which is asked now where it was not."""
    from wfe_mcp.cli.terminal.pin import at_terminal, settle_pin
    from wfe_mcp.cli.terminal.trials import trials_of

    engine, checks = invocation.engine, [*setup.missing, *setup.doubted]
    trials = trials_of(engine, invocation.screen, checks, yes=yes or agreed.at_once, skip=no_trial)
    working = [trial.check for trial in trials if trial.works and trial.check.name not in setup.held]
    works = {check.name: check.settings for check in working}
    decides, by = bool(works or setup.waits), agreed.by
    if decides and not yes:
        _ask_back(invocation, works, agreed)
    if by is None and (pin_fd is not None or (decides and at_terminal())):
        by = settle_pin(engine, pin_fd)
    if engine.settings().project_sha256 != setup.settings.project_sha256:
        raise Refused("stale_revision", ".wfe/config.toml changed during your review.", "wfe-mcp init")
    return trials, works, by


def _trust(
    invocation: Invocation, by: "Person | None", path: Path, seen: "tuple[EffectChange, ...] | None", *, shows: bool
) -> "tuple[Sequence[TrustListing], Sequence[str]]":
    """Trust the written file unless it weakens a gate; its effects, shown but for those ``seen``, and what else waits for trust."""
    from wfe_mcp.cli.terminal.effects import show_listing
    from wfe_mcp.engine.templates.trust import give_trust, pending_trust
    from wfe_mcp.engine.templates.trust_listing import trust_listing
    from wfe_mcp.views.approvals.trust import trust_line
    from wfe_mcp.views.values.model import plain

    engine, waiting = invocation.engine, pending_trust(invocation.engine)
    listings = [trust_listing(engine, trust) for trust in waiting if trust.kind == "configuration"]
    for listing in listings:
        if shows and listing.changes != seen:
            show_listing(invocation.screen, listing)
    weaker = [change for listing in listings for change in listing.weakening]
    if weaker:
        raise Refused(
            "needs_human",
            f"{path} weakens {plural(len(weaker), 'gate')}, so init does not trust it.",
            "Review it and decide: wfe-mcp trust",
            data={"pending": [plain(trust_line(listing)) for listing in listings]},
        )
    if by is not None and listings:
        own = engine.settings()
        names = [listing.pending.name for listing in listings]
        give_trust(engine, by, names, waiting, own=not (own.unsigned or own.unsigned_reviewers))
    return listings, [trust.name for trust in waiting if trust.kind != "configuration"]


def _answer(
    invocation: Invocation,
    setup: _Setup,
    written: "ConfigWritten",
    trials: "Sequence[Trial]",
    listings: "Sequence[TrustListing]",
    rest: "Sequence[str]",
) -> None:
    """Say what was written and trusted. ``rest``: what else waits for trust."""
    from wfe_mcp.cli.terminal.client_changes import installed_clients, places_of
    from wfe_mcp.cli.terminal.trials import trial_view
    from wfe_mcp.engine.checks.trial import unignored_environments
    from wfe_mcp.views.approvals.trust import trust_line
    from wfe_mcp.views.values.model import plain

    engine, left_out = invocation.engine, setup.project.left_out
    not_ignored = unignored_environments(engine.root, setup.project.checks)
    configured = engine.settings().settings.checks
    what = f"added {', '.join(written.added)}" if written.added else "nothing to add"
    none = "No check works here." if trials else "No check was found."
    summary = f"{written.path}: {what}. " + (f"Checks: {', '.join(sorted(configured))}." if configured else none)
    summary += f" Not trusted yet: {', '.join(rest)} (wfe-mcp trust)." if rest else ""
    data = {
        "config": str(written.path),
        "added": list(written.added),
        "trusted": [listing.pending.name for listing in listings],
        "not_trusted": rest,
        "checks": {name: list(check.argv) for name, check in configured.items()},
        "trials": [trial_view(trial) for trial in trials],
        "folders_left_out": list(left_out),
        "not_ignored": not_ignored,
        "clients": [client.name for client in installed_clients(places_of(engine.root))],
        "effects": [plain(effect) for listing in listings for effect in trust_line(listing).effects],
    }
    invocation.answer(
        summary, lambda screen: _render(invocation, screen, summary, trials, left_out, not_ignored), data=data
    )


@contextmanager
def _takes_back(folder: Path) -> Generator[None]:
    """Remove ``folder`` with what the trials of scanners wrote, where they made it and the block does not end in order."""
    is_new = not folder.exists()
    try:
        yield
    except BaseException:
        if is_new:
            for file in (folder / ".gitignore", *folder.glob("report-*")):
                file.unlink(missing_ok=True)
            with suppress(OSError):  # it is not there, or has what others wrote meanwhile
                folder.rmdir()
        raise


def _show_effects(invocation: Invocation, missing: "Sequence[FoundCheck]") -> "tuple[EffectChange, ...]":
    """Show what the PIN will be asked for: the effects of the file if all these checks work."""
    from wfe_mcp.cli.terminal.effects import show_listing

    listing = _listing(invocation.engine, {check.name: check.settings for check in missing})
    show_listing(invocation.screen, listing)
    return listing.changes


def _doubted_checks(
    root: "Path", checks: "Sequence[FoundCheck]", held: "Mapping[str, CheckSettings]"
) -> "list[FoundCheck]":
    """The configured checks that did not work in their last trial, with their own settings."""
    from wfe_mcp.engine.checks.last_trials import last_trial

    own = [replace(check, settings=held[check.name], is_configured=True) for check in checks if check.name in held]
    tried = ((check, last_trial(root, check.name, check.settings.argv)) for check in own)
    return [check for check, last in tried if last is not None and not last.works]


def _render(
    invocation: Invocation,
    screen: Screen,
    summary: str,
    trials: "Sequence[Trial]",
    left_out: "Sequence[str]",
    not_ignored: "Sequence[str]",
) -> None:
    """What was written, what was left out and why, and whether templates can run now."""
    from wfe_mcp.cli.terminal.trials import show_left_out

    screen.line(summary, "bold")
    show_left_out(screen, trials)
    if left_out:
        folders = plural(len(left_out), "more folder")
        screen.line(f"{folders} not searched: {', '.join(left_out[:5])}; add their checks to the file.")
    for path in not_ignored:
        screen.line(
            f"{path} is not ignored by git: it is part of the tree that checks prove, and a delivery commits it.",
            "yellow",
        )
        screen.line(f"  To ignore it, add this line to .gitignore: {path}")
    for fault in _faults(invocation.engine):
        screen.line(f"Not ready: {fault}.", "yellow")


def _next(invocation: Invocation, trials: "Sequence[Trial]") -> list[str]:
    from wfe_mcp.cli.terminal.client_changes import places_of
    from wfe_mcp.cli.terminal.connecting import SENTENCE
    from wfe_mcp.cli.terminal.trials import repairs
    from wfe_mcp.clients.health import is_connected
    from wfe_mcp.engine.checks.missing import missing_checks

    if list(_faults(invocation.engine)):
        needed = [check for check in missing_checks(invocation.engine) if check.is_default]
        names = {check.name for check in needed}
        repair = repairs([trial for trial in trials if trial.check.name in names])
        of_packages = (f"{check.fix}, then: wfe-mcp trust" for check in needed if check.similar)
        return [repair or next(of_packages, "wfe-mcp doctor")]
    step = SENTENCE if is_connected(places_of(invocation.engine.root)) else "wfe-mcp install --client NAME"
    return [invocation.in_git("quick_fix", step)]


def _shared_files(engine: "Engine") -> list[str]:
    """The files of init that a team shares, where the project is a repository."""
    files = (".wfe/config.toml", ".wfe/.gitignore")
    return [file for file in files if (engine.root / file).exists()] if engine.project.is_git else []


def _faults(engine: "Engine") -> "Iterator[str]":
    """What keeps the checks of the default template from running here."""
    from wfe_mcp.engine.checks.missing import missing_checks
    from wfe_mcp.engine.checks.readiness import check_fault

    for missing in missing_checks(engine):
        if missing.is_default:
            others = plural(len(missing.templates) - 1, "other template")
            there = f" (there is {', '.join(missing.similar)})" if missing.similar else ""
            yield f"there is no check {missing.name}{there}, and {missing.templates[0]} and {others} need it"
    for name, check in engine.settings().settings.checks.items():
        fault = check_fault(engine.root, check, engine.environment)
        if fault:
            yield f"check {name} cannot start: {fault}"


def _homes(missing: "Sequence[FoundCheck]") -> list[str]:
    """The variables of the shell that say where a tool of these checks and certificates are: paths, and no secrets."""
    from wfe_mcp.workspace.discovery.check_table import CERTIFICATES, HOMES

    names = sorted({name for check in missing for name in (*HOMES.get(check.chain, ()), *CERTIFICATES)})
    return [name for name in names if Path(os.environ.get(name, "")).is_absolute()]


def _agrees_to_all(
    invocation: Invocation, missing: "Sequence[FoundCheck]", homes: "Sequence[str]"
) -> "tuple[Person, tuple[EffectChange, ...]] | None":
    """The user whose PIN agrees to the trials, the file, its trust and the clients, and the effects that they saw.

    None: each step asks. So it is where the output is no terminal: what is agreed to has to be on the screen.
    """
    from wfe_mcp.cli.terminal.client_changes import not_connected, places_of
    from wfe_mcp.cli.terminal.effects import show_listing
    from wfe_mcp.cli.terminal.pin import NoPin, settle_pin
    from wfe_mcp.engine.approvals.pin import pin_is_set

    listing = _listing(invocation.engine, {check.name: check.settings for check in missing})
    if listing.weakening or not invocation.screen.is_terminal:
        return None
    show_listing(invocation.screen, listing)
    what = (
        "The checks that work go into .wfe/config.toml; tests that pass in a checkout too run there. "
        if missing
        else ""
    )
    if homes:
        what += f"A check that needs {join_names(homes)} of your shell gets {'it' if len(homes) == 1 else 'them'}. "
    clients = " and ".join(client.title for client in not_connected(places_of(invocation.engine.root)))
    connects = f" {clients} will be connected, and may call wfe's tools without asking." if clients else ""
    invocation.screen.talk(f"{what}You trust the configuration with your PIN.{connects}")
    types = "Type" if pin_is_set(invocation.engine) else "Choose"
    invocation.screen.talk(
        f"{types} your PIN to agree to all of this, or press Enter to be asked at each step. "
        "Ctrl-C ends it: nothing changes."
    )
    try:
        return settle_pin(invocation.engine, None, enter="Enter: ask at each step"), listing.changes
    except NoPin:
        return None


def _ask_back(invocation: Invocation, works: "Mapping[str, CheckSettings]", agreed: _Agreed) -> None:
    """Return where the user agrees: at once where they did before the trials, with that to any checkout."""
    from wfe_mcp.cli.terminal.effects import show_listing

    if agreed.changes is not None:
        written = {
            name: work.model_dump(
                exclude_unset=True, exclude={"where", "bring"} | ({"env"} if {*work.env} <= {*agreed.homes} else set())
            )
            for name, work in works.items()
        }
        as_shown = {name: type(works[name]).model_validate(table) for name, table in written.items()}
        if set(_listing(invocation.engine, as_shown).changes) <= set(agreed.changes):
            return
    listing = _listing(invocation.engine, works)
    show_listing(invocation.screen, listing)
    if not listing.changes:
        invocation.screen.talk("  It allows nothing: no check was found, or none works.")
    question = "Write it?" if listing.weakening else "Write and trust it?"
    if agreed.changes is None:
        require_confirmation(question)
    elif not user_agrees(question):
        raise Refused("needs_human", "Cancelled. Your PIN is set. Nothing else changed.")


def _listing(engine: "Engine", missing: Mapping[str, "CheckSettings"]) -> "TrustListing":
    """The effects of the file as init would leave it."""
    from wfe_mcp.engine.templates.trust_listing import configuration_with
    from wfe_mcp.workspace.config.config_file import with_checks

    return configuration_with(engine, with_checks(engine.root, missing))
