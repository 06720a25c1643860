"""Start of runs: choose the template, check it, freeze it.

The template is chosen, checked against the project and frozen with the checks, roles, servers and context bundles it
names; from then on nothing outside changes what the run follows (B-20).
"""

import logging
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.commands import StartRun
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.decide import decide_and_evolve
from wfe_mcp.core.errors import Detail, Refused, nearest_hint, pointer
from wfe_mcp.core.model import By, GateDifference, RunId, RunState
from wfe_mcp.core.origins import origin_of, refuse_of_triggers
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.core.titles import first_words, title_of
from wfe_mcp.engine.access.limits import refuse_start
from wfe_mcp.engine.artifacts.context_bundles import Bundle, bundles_of
from wfe_mcp.engine.checks.missing import or_go_without
from wfe_mcp.engine.checks.readiness import phase_that_needs_git, templates_without_git
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.evidence_seals import note_begun
from wfe_mcp.engine.kernel.identity import known_at, mark
from wfe_mcp.engine.kernel.reactions import composition_of
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.models.roles import known_names
from wfe_mcp.engine.outbox.outbox import publish_start
from wfe_mcp.engine.runs.frozen import frozen_values, is_left_out, phases_served, without_jumps
from wfe_mcp.engine.runs.input_files import refuse_absent_files
from wfe_mcp.engine.templates.catalogue import default_template, find_template
from wfe_mcp.engine.templates.effective_gates import gate_differences
from wfe_mcp.engine.templates.overrides import MadeRoles, configure_plan
from wfe_mcp.engine.templates.trust import trusted_policy
from wfe_mcp.engine.templates.versions import refuse_absent
from wfe_mcp.engine.work.following import begin_item
from wfe_mcp.engine.work.items import WORK
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, NewRun, ProjectRecord
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.git.repository import why_no_repository
from wfe_mcp.workspace.git.working_tree import SeenFiles
from wfe_mcp.workspace.system.location import project_at

log = logging.getLogger("wfe_mcp.engine")

REVERT = "revert"
"""The template that reverts the run that its input ``run`` names."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # 32: each is as likely


def start_run(
    engine: Engine,
    by: By,
    template: str,
    inputs: dict[str, Any],
    *,
    title: str = "",
    auto: bool | None = None,
    idempotency_key: str | None = None,
    driver: str = "",
    triggered_by: str = "",
    external_id: str = "",
    roles: Mapping[str, str] | None = None,
    reason: str = "",
) -> LoadedRun:
    """Create a run of ``template``, or of the default one when it is empty. The same ``idempotency_key`` with the
    same arguments answers with the same run.

    ``title``: else the input that the template's ``title_from`` names says what the run is about.
    ``driver``: a configured role that works the agent phases instead of the connected client (design §7a).
    ``roles``: role of the template → who works as it in this run: a configured role, a provider or ``provider/model``.
    ``triggered_by``: what caused the start; ``external_id``: its name there. At most 200 characters each. ``reason``: why a
    person starts a work item that waits for others.
    Refuses ``needs_human`` where configuration keeps agents from starting this template.
    """
    role_fillers = dict(roles or {})
    _refuse_unkept("inputs", inputs)
    _refuse_unkept("roles", role_fillers)
    refuse_of_triggers(by, idempotency_key=idempotency_key, triggered_by=triggered_by)
    origin = origin_of(triggered_by=triggered_by, external_id=external_id)
    more = origin | ({"driver": driver} if driver else {}) | ({"roles": role_fillers} if role_fillers else {})
    # What makes two starts with one key the same; anything else under that key is a conflict.
    args = sha256_of({"template": template, "inputs": inputs, "title": title, "auto": auto, **more})
    if idempotency_key:
        with engine.store.read() as tx:
            known = tx.runs.for_key(engine.project_id, idempotency_key, args)
            if known is not None:
                return engine.load(tx, known)
    item = external_id if triggered_by == WORK else ""
    checked = _checked_start(engine, by, template or default_template(engine), inputs, role_fillers, driver, item)
    plan, settings = checked.plan, checked.settings.settings

    mark(engine.root, engine.project_id, make=True)
    composition_of(engine)  # as in ``change_run``
    with engine.store.tx() as tx:
        project = _project_here(engine, tx)
        # Again, now that no other can write: of two starts with one key the first wins.
        if idempotency_key and (known := tx.runs.for_key(engine.project_id, idempotency_key, args)) is not None:
            return engine.load(tx, known)
        refuse_start(engine, tx, settings.server.limits, by)
        if project.forgotten_at:  # since this process was started
            tx.projects.change(project.id, {"forgotten_at": None})
        document = tx.documents.keep(plan.definition)
        # Its own definition too: verify compares the run's gates with it.
        own = [checked.chosen.own] if checked.chosen.own_sha256 != document else []
        for content in (*own, *(bundle.parts for bundle in checked.bundles)):
            tx.documents.keep(content)
        start = StartRun(
            spec=checked.spec,
            auto=settings.auto if auto is None else auto,
            gates=checked.gates,
            tree=checked.tree,
            by=by,
            at=engine.clock(),
        )
        events, state = decide_and_evolve(RunState(), start)
        new = NewRun(
            id=new_run_id(),
            project_id=engine.project_id,
            worktree=str(engine.root),
            template=plan.template.name,
            template_version=plan.template.version,
            template_sha256=checked.chosen.own_sha256,
            definition_sha256=document,
            title=_title(tx, engine, plan, title, checked.inputs),
            inputs=checked.inputs,
            frozen=checked.frozen,
            idempotency_key=idempotency_key,
            args_sha256=args,
            driver=driver or None,
            **origin,
        )
        facts = {
            "kind": "start",
            "decision": [{"do": "start", "template": plan.template.name, "sha256": checked.chosen.own_sha256}],
        }
        note_begun(engine, tx)
        record = tx.runs.create(new, state, events, by, engine.clock(), facts)
        tx.after_commit(partial(engine.has_changed, (record.id,), events))
        tx.after_commit(partial(engine.tell, record.id))
        with change_run_in(engine, tx, record.id, by, loaded=LoadedRun(record, state)) as change:
            if triggered_by == WORK:
                begin_item(change, reason)
            publish_start(change)
    return change.loaded


@dataclass(frozen=True, slots=True)
class _CheckedStart:
    """What a run that may start follows. ``chosen``: the template as it is kept; ``plan``: as configuration has it.

    ``gates``: where these two differ. ``tree``: the files now.
    """

    settings: LoadedSettings
    chosen: CompiledTemplate
    plan: CompiledTemplate
    gates: tuple[GateDifference, ...]
    spec: RunSpec
    inputs: dict[str, Any]
    frozen: dict[str, Any]
    bundles: list[Bundle]
    tree: str | None


def _checked_start(
    engine: Engine,
    by: By,
    template: str,
    inputs: dict[str, Any],
    role_fillers: Mapping[str, str],
    driver: str,
    item: str,
) -> _CheckedStart:
    """The template with all that it needs here, outside of any transaction that writes. Refuses what ``start_run`` refuses."""
    chosen = find_template(engine, template)
    with engine.store.read() as tx:
        settings = engine.settings(tx)
        if not by.is_human and is_for_people(engine, settings, template, tx):
            raise Refused(
                "needs_human",
                f"policy.templates of this project does not let an agent start {template!r}.",
                f"Choose a template that it names, or ask the user to run in a terminal of their own: wfe-mcp start {template}",
            )
    _refuse_roles(chosen, role_fillers)
    plan, made_roles = configure_plan(engine, chosen, settings, role_fillers, inputs)
    gates = gate_differences(chosen, plan, settings)
    values = _checked_inputs(plan, inputs)
    refuse_missing(plan, settings, engine, made_roles, values)
    refuse_absent_files(engine.root, plan.template.inputs, values)
    tree = _files_now(engine)
    if tree is None:
        _refuse_without_git(plan, engine)
    bundles = bundles_of(engine.root, plan, settings, values)
    frozen = frozen_values(engine, plan, settings, bundles, made_roles, role_fillers, driver, item)
    spec = without_jumps(phases_served(plan, settings, frozen, driver), plan, values)
    return _CheckedStart(settings, chosen, plan, gates, spec, values, frozen, bundles, tree)


def _title(tx: Tx, engine: Engine, plan: CompiledTemplate, wanted: str, inputs: dict[str, Any]) -> str:
    """What the run is about; where no input says it, the template's own title with the number of the run."""
    template, reverted = plan.template, RunId(str(inputs.get("run", "")))
    if not wanted and template.name == REVERT and tx.runs.projects([reverted]).get(reverted) == engine.project_id:
        wanted = f"Revert {tx.runs.titles([reverted])[reverted]}"
    if title := title_of(wanted, template.title_from, inputs, template.inputs):
        return title
    before = tx.runs.newest_number()
    return first_words(template.title or template.name) + (f" #{before + 1}" if before else "")


def _project_here(engine: Engine, tx: Tx) -> ProjectRecord:
    """The project of this folder. A person may have said meanwhile that it is another: a run of this one would be lost to them."""
    project = known_at(tx, engine.project)
    if project is None or project.id != engine.project_id:
        raise Refused(
            "conflict",
            f"{engine.root} is another project since this process was started: its folder was moved.",
            "Start the client in it again.",
        )
    return project


def _files_now(engine: Engine) -> str | None:
    """The tree that the run begins with; None without git, and where git fails: the run then says so. Refuses ``too_large``."""
    try:
        return SeenFiles(engine.root, is_whole=False).tree().id
    except Refused as refused:
        if refused.code == "too_large":
            raise
        log.warning("the files at the start of a run could not be read: %s", refused.message)
        return None


def new_run_id() -> RunId:
    """A unique run id: ten unambiguous characters."""
    return RunId("".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(10)))


def is_for_people(engine: Engine, settings: LoadedSettings, template: str, tx: Tx | None = None) -> bool:
    """Whether ``policy.templates`` keeps ``template`` from agents. ``tx``: where the caller is in one.

    What is not trusted yet can only forbid more: editing or removing the file does not undo what it held when a
    person trusted it last.
    """
    lists = [values.policy.templates for values in (settings.settings, settings.pending) if values is not None]
    if settings.untrusted or settings.project_file is None or not settings.user_is_trusted:
        lists.append(trusted_policy(engine, tx))
    return any(allowed is not None and template.partition("@")[0] not in allowed for allowed in lists)


def _refuse_roles(chosen: CompiledTemplate, role_fillers: Mapping[str, str]) -> None:
    """Refuse roles that the template does not have, and those that review: a reviewer who decides at a gate needs signed bytes."""
    known = chosen.template.roles
    name = chosen.template.name
    for role in role_fillers:
        if role not in known:
            hint = nearest_hint(role, known, f"Its roles: {', '.join(known) or 'none'}.")
            raise Refused(
                "bad_argument",
                f"Template {name!r} has no role {role!r}.",
                hint,
                (Detail(pointer("roles", role), "is no role of the template", sorted(known), role),),
            )
    gates = (gate for phase in chosen.phases.values() for gate in (*phase.prompt_gates, *phase.gates))
    reviewing = {role for gate in gates if gate.kind == "opinion" for role in gate.reviewers}
    for role in reviewing.intersection(role_fillers):
        raise Refused(
            "needs_trust",
            f"Role {role!r} of template {name!r} reviews at a gate, so an argument cannot fill it.",
            f"Name it in [templates.{name}.roles.{role}] of .wfe/config.toml, then run: wfe-mcp trust",
            (Detail(pointer("roles", role), "decides at a gate", got=role_fillers[role]),),
        )


def _refuse_unkept(name: str, values: Mapping[str, Any]) -> None:
    """Refuse what JSON cannot represent, before it is hashed. Refuses ``bad_argument``, ``too_large``."""
    from wfe_mcp.artifacts.parse import check_value

    try:
        check_value(values)
    except Refused as no:
        code = "too_large" if no.code == "too_large" else "bad_argument"
        details = tuple(Detail(pointer(name) + at.path, at.message, at.expected, at.got) for at in no.details)
        raise Refused(code, f"The {name} cannot be kept: {no.message}", no.hint, details) from None


def _checked_inputs(plan: CompiledTemplate, inputs: dict[str, Any]) -> dict[str, Any]:
    from wfe_mcp.workflow.flows import inputs_of

    values, faults = inputs_of(plan.template, inputs)
    if faults:
        details = tuple(
            Detail(pointer("inputs") + fault.path, fault.message, fault.expected, fault.got) for fault in faults
        )
        raise Refused(
            "bad_argument",
            f"Invalid inputs for template {plan.template.name!r}: {details[0].path}: {details[0].message}",
            "Fix the listed inputs and call start_run again.",
            details,
        )
    return values


def refuse_missing(
    plan: CompiledTemplate, settings: LoadedSettings, engine: Engine, made: MadeRoles, inputs: dict[str, Any]
) -> None:
    """What packages bring must be installed, and in a project with trusted configuration the rest must be there too.

    A phase that the inputs leave out needs nothing.
    """
    from wfe_mcp.workflow.lint import ProjectNames, lint

    requires = engine.plans.report(plan).requires
    refuse_absent(plan.template.name, requires.plugins)
    checks, servers, context = settings.settings.checks, settings.settings.mcp_servers, settings.settings.context
    roles = {*known_names(settings.settings), *made}
    missing = [name for name in requires.checks if name not in checks]
    missing += [name for name in requires.servers if name not in servers]
    missing += [name for name in requires.context if name not in context]
    missing += [name for name in requires.roles if name not in roles]
    if missing and (engine.root / ".wfe" / "config.toml").exists() and not settings.untrusted:
        project = ProjectNames(frozenset(checks), frozenset(roles), frozenset(servers), context=frozenset(context))
        phases = enumerate(plan.template.phases)
        left_out = tuple(
            f"/phases/{at}/" for at, phase in phases if phase.when and is_left_out(plan, phase.when, inputs)
        )
        errors = tuple(error for error in lint(plan.definition, project).errors if not error.path.startswith(left_out))
        if errors:  # a check with if_missing "note" may be missing, and a bundle that is optional
            faults = [fault for table in ("checks", "mcp_servers", "context") for fault in settings.faults_in(table)]
            what = "; ".join(dict.fromkeys(error.message for error in errors))
            without = or_go_without(plan.template.name, plan.definition, errors)
            raise Refused(
                "invalid_template",
                f"Template {plan.template.name!r} needs what this project does not have: {what}",
                f"{faults[0]}. Ask the user to correct .wfe/config.toml and to run: wfe-mcp trust"
                if faults
                else f"Ask the user to add it to .wfe/config.toml{without} and to run: wfe-mcp trust",
                errors,
            )


def _refuse_without_git(plan: CompiledTemplate, engine: Engine) -> None:
    """Refuse what could not pass its first gates: a phase that no one may skip compares files, and there is no git."""
    # As it is now: `git init` needs no restart of a server.
    if not (phase := phase_that_needs_git(plan.phases, is_sure=True)) or project_at(engine.root).is_git:
        return
    others, (why, commands) = templates_without_git(engine), why_no_repository(engine.root)
    instead = f", or start a template that works without git: {', '.join(others[:5])}" if others else ""
    raise Refused(
        "unavailable",
        f"Template {plan.template.name!r} needs git: its phase {phase!r} compares files. In {engine.root}: {why}.",
        f"In the project: {' or '.join(commands)}; then start it again{instead}.",
    )
