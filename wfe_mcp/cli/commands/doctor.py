"""``wfe-mcp doctor``: check everything that runs need."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.health import (
    database_findings,
    event_findings,
    fix_journal,
    fix_sums,
    health_findings,
    readable_by_others,
)
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.trust_health import configuration_findings, person_findings, server_of, template_findings
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.workspace.system.shell_words import shell_word

if TYPE_CHECKING:
    from wfe_mcp.engine.checks.last_trials import LastTrial
    from wfe_mcp.engine.checks.missing import MissingCheck
    from wfe_mcp.workspace.config.settings_tables import SandboxSettings

Deep = Annotated[bool, typer.Option("--deep", help="Read the whole database, indexes and references too.")]
Fix = Annotated[
    bool, typer.Option("--fix", help="First sum wrong statistics again, and give the database a write-ahead log.")
]

Forge = Annotated[
    bool,
    typer.Option(
        "--forge", help="Ask the forge of the remote what the logins that an agent can use here may do to the base."
    ),
]

Hosts = Annotated[
    bool, typer.Option("--hosts", help="Log in by ssh at the host of each environment, and do nothing there.")
]


def doctor(
    invocation: Invocation, deep: Deep = False, fix: Fix = False, forge: Forge = False, hosts: Hosts = False
) -> None:
    """Check that this project is ready to run."""
    if fix:
        fix_sums(invocation.engine)
        fix_journal(invocation.engine)
    missing: list[MissingCheck] = []
    findings = list(_findings(invocation, missing, deep=deep, hosts=hosts))
    if forge:
        from wfe_mcp.engine.delivery.site import login_findings

        findings += login_findings(invocation.engine)
    bad = [finding for finding in findings if finding.level == "problem"]
    summary = plural(len(bad), "problem") if bad else _ready(invocation, missing)
    error = (
        Refused("unavailable", f"{bad[0].topic}: {bad[0].message}", "Fix it and run: wfe-mcp doctor") if bad else None
    )

    def render(screen: Screen) -> None:
        if bad:
            screen.line(summary, "red")
            screen.table((), [(finding.topic, screen.complete(finding.message)) for finding in bad], "  ")
        rest = [finding for finding in findings if finding.level != "problem"]
        lines = [(finding.level, finding.topic, screen.complete(finding.message)) for finding in rest]
        screen.table((), lines, state_at=0)
        if not bad:
            screen.line(summary, "bold")

    invocation.answer(summary, render, data={"findings": [asdict(finding) for finding in findings]}, error=error)


def _ready(invocation: Invocation, missing: "Sequence[MissingCheck]") -> str:
    from wfe_mcp.cli.terminal.client_changes import places_of
    from wfe_mcp.clients.health import is_connected

    names = f", except templates that need check {' or '.join(check.name for check in missing)}" if missing else ""
    is_alone = not is_connected(places_of(invocation.project.root))
    return f"Ready to run{names}." + (" No client is connected: wfe-mcp install --client NAME" if is_alone else "")


def _findings(
    invocation: Invocation, missing: "list[MissingCheck]", *, deep: bool, hosts: bool
) -> Iterator[HealthFinding]:
    """Every finding; ``missing`` gets the checks that templates need and that are not configured."""
    from wfe_mcp.engine.checks.last_trials import last_trials
    from wfe_mcp.engine.checks.missing import missing_checks
    from wfe_mcp.engine.deployments.environments import host_findings

    yield _project(invocation.engine.root)
    try:
        yield from _database(invocation, deep=deep)
        yield from health_findings(invocation.engine, deep=deep)
    except Refused as refused:
        yield _moved_project_finding(refused) or HealthFinding(
            "database", "problem", f"{refused.message} {for_person(refused.hint)}"
        )
        return
    yield from _git(invocation)
    server = server_of(invocation.engine)
    yield from configuration_findings(invocation.engine, server)
    if not server:  # which runs the checks
        yield from _checks(invocation)
        missing += missing_checks(invocation.engine)
        yield from _missing(missing, last_trials(invocation.engine.root))
    yield from _context(invocation)
    yield from _mcp_servers(invocation)
    yield from host_findings(invocation.engine, ask=hosts)
    yield from _providers(invocation)
    yield from () if server else _reviewers(invocation)
    yield from _models_here(invocation)
    yield from template_findings(invocation.engine)
    yield from event_findings(invocation.engine)
    yield from _plugins()
    yield from _clients(invocation)
    yield from _page(invocation)
    yield from () if server else _passkeys(invocation)
    yield from person_findings(invocation.engine, server)
    yield from _servers(invocation)


def _project(root: Path) -> HealthFinding:
    from wfe_mcp.workspace.files.staging import why_unwritable

    ours = root / ".wfe"
    why = why_unwritable(ours) if ours.is_dir() else None
    if not why:
        return HealthFinding("project", "ok", str(root))
    return HealthFinding(
        "project",
        "problem",
        f"{ours} cannot be written ({why.strerror}), so no check can keep its log: free space, or permissions",
    )


def _moved_project_finding(refused: Refused) -> HealthFinding | None:
    """The line about a project whose folder was renamed or moved to this one, with each path once; None for other refusals."""
    from wfe_mcp.engine.kernel.identity import move_command

    if "here" not in refused.data:
        return None
    old, here = str(refused.data["folder"]), str(refused.data["here"])
    place = "." if Path(here) == Path.cwd() else here
    move = f"if it was renamed or moved: {move_command(old, place)}"
    message = f"the folder of project {refused.data['name']!r} is gone, and this one has its mark"
    return HealthFinding(
        "moved project", "problem", f"{message}; {move} ; if it is another: wfe-mcp project add {shell_word(place)}"
    )


def _clients(invocation: Invocation) -> Iterator[HealthFinding]:
    """Whether AI coding clients can start this server for this project."""
    from wfe_mcp.cli.terminal.client_changes import places_of
    from wfe_mcp.clients.health import client_findings, path_finding
    from wfe_mcp.clients.launch import this_installation

    places, here = places_of(invocation.project.root), this_installation()
    yield path_finding(here, places)
    yield from client_findings(here, places)


def _database(invocation: Invocation, *, deep: bool) -> Iterator[HealthFinding]:
    yield from database_findings(invocation.engine.store)
    yield _index(invocation, deep=deep)
    if not invocation.engine.store.has_file:
        return
    folder = invocation.engine.store.path.parent
    yield from readable_by_others(invocation.engine.store.path)
    if not os.access(folder, os.W_OK):
        yield HealthFinding("data folder", "problem", f"{folder} is not writable; fix: chmod u+w '{folder}'")


def _index(invocation: Invocation, *, deep: bool) -> HealthFinding:
    from wfe_mcp.engine.search.finding import health
    from wfe_mcp.views.answers.find import waiting_parts

    index = health(invocation.engine, deep=deep)
    if not index.has_fts5:
        message = "this SQLite has no FTS5, so find is off; fix: install wfe-mcp[sqlite]"
        return HealthFinding("find", "note", message)
    if index.waiting:
        message = f"{waiting_parts(index, 'run')} not indexed yet; the next search does it: wfe-mcp find QUERY"
        return HealthFinding("find", "note", message)
    return HealthFinding("find", "ok", "every run is indexed")


def _git(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.workspace.git.command import git_program
    from wfe_mcp.workspace.git.repository import branch, why_no_repository

    git = git_program(invocation.engine.root)
    if git is None:
        yield HealthFinding("git", "note", "not installed: git and files gates cannot run; fix: install git")
    elif not invocation.engine.project.is_git:
        why, commands = why_no_repository(invocation.engine.root)
        yield HealthFinding("git", "note", f"{why}: git and files gates cannot run; fix: {' or '.join(commands)}")
    else:
        yield HealthFinding("git", "ok", f"{git}, branch {branch(invocation.engine.root) or 'none'}")
        lock = Path(invocation.engine.project.key, "packed-refs.lock")
        if lock.exists():  # of a killed git, as a rule: a living one has it for moments
            message = f"{lock} keeps every branch and checkpoint from being removed; fix: where no git is running, remove that file"
            yield HealthFinding("git", "note", message)


def _checks(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.checks.last_trials import last_trials
    from wfe_mcp.engine.checks.missing import INIT
    from wfe_mcp.engine.checks.readiness import check_fault
    from wfe_mcp.engine.credentials.faults import credential_faults

    engine, loaded = invocation.engine, invocation.engine.settings()
    remembered = last_trials(engine.root)
    for name, check in sorted((loaded.pending or loaded.settings).checks.items()):
        tried = remembered.get(name)
        tried = None if tried is None or tried.argv != tuple(check.argv) else tried  # of another command
        fault = check_fault(engine.root, check, engine.environment)
        if fault:
            fix = f"fix: install it, or change [checks.{name}] in .wfe/config.toml"
            yield HealthFinding(f"check {name}", "problem", f"{fault}; {fix}")
        elif tried is not None and not tried.works:
            yield HealthFinding(
                f"check {name}", "problem", f"it did not work ({tried.summary}); fix it, then try it again: {INIT}"
            )
        else:
            text = f"{' '.join(check.argv)}: {check.argv[0]} found"
            yield HealthFinding(f"check {name}", "ok", text if tried is None else f"{text}; {tried.summary}")
        for lacks in credential_faults(engine, check.credentials):
            yield HealthFinding(f"check {name}", "problem" if lacks.is_missing else "note", lacks.text)
    for name, environment in sorted((loaded.pending or loaded.settings).environments.items()):
        for lacks in credential_faults(engine, environment.credentials):
            yield HealthFinding(f"environment {name}", "problem" if lacks.is_missing else "note", lacks.text)
    asking = [name for name, check in (loaded.pending or loaded.settings).checks.items() if check.sandbox]
    yield from _sandbox(asking, loaded.settings.sandbox)


def _sandbox(asking: list[str], makes: "SandboxSettings") -> Iterator[HealthFinding]:
    """Whether the sandbox can be made that these checks ask for."""
    if not asking:
        return
    from wfe_mcp.jobs.container import sandbox_maker

    checks = f"for check {shorten_names(sorted(asking), 3)}"
    maker = sandbox_maker(makes)
    if isinstance(maker, str):
        yield HealthFinding("sandbox", "problem", f"{maker} Needed {checks}")
    else:
        yield HealthFinding("sandbox", "ok", f"{maker.text} works, {checks}")


def _missing(missing: "Sequence[MissingCheck]", remembered: "Mapping[str, LastTrial]") -> Iterator[HealthFinding]:
    """Checks that templates need. A problem where the default template does; the others may never be used."""
    for check in missing:
        similar = f" (there is {', '.join(check.similar)})" if check.similar else ""
        tried = remembered.get(check.name)
        similar += f"; {tried.summary}" if tried is not None and not tried.works else ""
        program = tried.argv[0] if tried is not None and tried.outcome == "not_found" and tried.argv else ""
        fix = f"install {program}, then: wfe-mcp init" if program and shutil.which(program) is None else check.fix
        message = f"not configured{similar}; needed by {shorten_names(check.templates, 3)}; fix: {fix}"
        yield HealthFinding(f"check {check.name}", "problem" if check.is_default else "note", message)


def _context(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.artifacts.context_bundles import bundles_here

    loaded = invocation.engine.settings()
    for bundle in bundles_here(invocation.engine.root, (loaded.pending or loaded.settings).context):
        topic = f"context {bundle.name}" + (f", scope {bundle.scope}" if bundle.scope else "")
        yield HealthFinding(topic, "problem" if bundle.fault else "ok", bundle.fault or plural(bundle.files, "file"))


def _mcp_servers(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.phases.step_calls import servers

    for server in servers(invocation.engine):
        if not server.trusted:
            yield HealthFinding(f"MCP server {server.name}", "note", "needs trust; fix: wfe-mcp trust")
        elif server.fault:
            fix = f"fix: install it, or change [mcp_servers.{server.name}] in the configuration"
            yield HealthFinding(f"MCP server {server.name}", "problem", f"{server.fault}; {fix}")
        elif server.missing:
            names = ", ".join(server.missing)
            message = f"not set: {names}; fix: set it where you start wfe-mcp and your client, then restart them"
            yield HealthFinding(f"MCP server {server.name}", "note", message)
        else:
            yield HealthFinding(
                f"MCP server {server.name}", "ok", f"{server.where}; test: wfe-mcp mcp test {server.name}"
            )


def _providers(invocation: Invocation) -> Iterator[HealthFinding]:
    """The configured providers, and roles; the others need nothing."""
    from wfe_mcp.engine.models.providers import list_providers, roles
    from wfe_mcp.engine.models.secrets import key_place

    lines = list_providers(invocation.engine)
    for line in lines:
        if line.layer == "built in" and not line.roles:
            continue
        key = f"its key {key_place(line.key)}; " if line.key else ""
        is_broken = bool(line.roles) and line.state in {"no key", "not installed"}
        level = "ok" if line.is_usable else "problem" if is_broken else "note"
        message = line.fault or f"{key}test: wfe-mcp providers test {line.name}"
        yield HealthFinding(f"provider {line.name}", level, message)
    unusable = {line.name: line.state for line in lines if not line.is_usable}
    for role in roles(invocation.engine):
        named, state = " ".join(filter(None, (role.provider, role.model))), unusable.get(role.provider)
        if role.fault:
            yield HealthFinding(f"role {role.name}", "problem" if role.trusted else "note", role.fault)
        elif state is not None:  # the row of the provider says what to do
            yield HealthFinding(f"role {role.name}", "note", f"{named}: {state}")
        else:
            yield HealthFinding(f"role {role.name}", "ok", named)


def _reviewers(invocation: Invocation) -> Iterator[HealthFinding]:
    """Reviewers that are not configured: said here once, and not as a warning in each decision."""
    from wfe_mcp.engine.checks.readiness import missing_reviewers

    for name, templates in missing_reviewers(invocation.engine).items():
        message = f"not configured, so opinion gates of {shorten_names(templates, 2)} judge nothing"
        yield HealthFinding(f"reviewer {name}", "note", f"{message}; fix: wfe-mcp providers role {name} PROVIDER MODEL")


def _models_here(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.models.discovery import installed_agents
    from wfe_mcp.providers.probing import find_local

    for server in find_local():
        models = "needs a key" if server.needs_key else plural(len(server.models), "model")
        yield HealthFinding(server.name, "ok", f"{server.base_url}, {models}")
    for agent in installed_agents(invocation.engine):
        yield HealthFinding(agent.kind, "ok", f"{agent.version or 'version unknown'}, {agent.program}")


def _plugins() -> Iterator[HealthFinding]:
    """Extensions of installed packages; their code is loaded."""
    from wfe_mcp.engine.templates.versions import plugins_seen
    from wfe_mcp.resources import plugin_faults

    for seen in plugins_seen():
        level = "problem" if seen.fault else "ok"
        yield HealthFinding(f"{seen.kind} {seen.name}", level, seen.fault or f"of the package {seen.package}")
    for fault in plugin_faults():
        yield HealthFinding("package", "problem", fault)


def _passkeys(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.views.approvals.approvers import pinned_view

    view = pinned_view(invocation.engine)
    names = ", ".join(key["name"] for key in view.keys)
    if view.fault:
        yield HealthFinding("passkeys", "note" if view.waits or not view.installed else "problem", view.fault)
    elif names:
        yield HealthFinding("passkeys", "ok", f"{len(view.keys)} pinned in {view.file}: {names}")
    else:
        yield HealthFinding("passkeys", "ok", "none pinned; only passkey gates need one: wfe-mcp approvers add NAME")


def _page(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.approvals.decision_page import address, living_page

    port = living_page(invocation.engine)
    yield HealthFinding("decision page", "ok", "not running: wfe-mcp ui" if port is None else address(port))


def _servers(invocation: Invocation) -> Iterator[HealthFinding]:
    from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive

    with invocation.engine.store.read() as tx:
        processes = tx.processes.on_host(invocation.engine.identity.host)
    running = [
        process for process in processes if is_alive(ProcessIdentity(process.host, process.pid, process.started_at))
    ]
    alive = [process for process in running if process.kind in {"serve", "server"}]
    here = sum(1 for process in alive if process.project_id in {None, invocation.engine.project_id})
    message = f"{len(alive)} alive, {here} of this project" if alive else "none alive; your client starts one"
    yield HealthFinding("servers", "ok" if alive else "note", message)
