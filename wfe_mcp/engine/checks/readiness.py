"""Whether the checks that templates need can start on this machine: for ``start`` and ``doctor``.

Nothing runs: a program is looked up as a gate would, and a module of a virtual environment by its folder.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.checks.last_trials import last_trial
from wfe_mcp.engine.checks.missing import INIT
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.models.roles import fill_role
from wfe_mcp.engine.templates.catalogue import offers, whole_definition
from wfe_mcp.jobs.child import start_fault
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.workflow.model.phases import Phase, StepsPhase
from wfe_mcp.workflow.required_checks import required_checks
from wfe_mcp.workspace.config.checks import CheckSettings, FrozenCheck
from wfe_mcp.workspace.git.repository import why_no_repository
from wfe_mcp.workspace.system.location import project_at

_TOOLS = frozenset({"pytest", "coverage", "mypy", "ruff", "flake8", "pylint", "tox", "nox"})
"""Packages that are run as modules and are never part of the project itself."""


def check_fault(root: Path, check: CheckSettings | FrozenCheck, environ: Mapping[str, str] | None = None) -> str:
    """Why ``check`` cannot start here; empty where nothing is wrong."""
    folder, program = root / (check.cwd or "."), check.argv[0]
    if not folder.is_dir():
        return f"the folder {check.cwd} does not exist"
    if start_fault(check.argv, folder, child_env(check.env, environ)):
        is_path = "/" in program or "\\" in program
        return f"{program} is not found" + ("" if is_path else " on PATH")
    module = check.argv[2] if len(check.argv) > 2 and check.argv[1] == "-m" else ""
    if module in _TOOLS and _is_absent(module, folder / program):
        return f"{module} is not installed for {program}"
    return ""


def _is_absent(module: str, python: Path) -> bool:
    """Whether a virtual environment lacks the module; False where that cannot be seen."""
    home = python.parent.parent
    settings = home / "pyvenv.cfg"
    if not settings.is_file() or "include-system-site-packages = true" in settings.read_text(errors="replace"):
        return False
    return not any(any(home.glob(f"{place}/{module}")) for place in ("lib/python*/site-packages", "Lib/site-packages"))


def phase_that_needs_git(phases: Mapping[str, Phase], *, is_sure: bool) -> str:
    """The first phase of these that deploys a commit, or has a gate about git or changed files; empty where none has.

    ``is_sure``: only one that each run comes to and no one may skip, by its gates.
    """
    for path, phase in phases.items():
        comes = not is_sure or (phase.skip == "never" and not phase.when and phase.enter == "needs")
        if comes and any(gate.needs_git for gate in (*phase.prompt_gates, *phase.gates)):
            return path
        if not is_sure and _deploys(phase):
            return path
    return ""


def _deploys(phase: Phase) -> bool:
    return isinstance(phase, StepsPhase) and any(step.builtin == "deploy" for step in phase.steps)


def templates_without_git(engine: Engine) -> list[str]:
    """The templates offered here that run to their end in a folder without git."""
    names: list[str] = []
    for offer in offers(engine):
        with suppress(Refused):  # an invalid template
            plan = engine.plans.compile(whole_definition(engine, offer.definition).definition)
            names += [offer.name] * (not phase_that_needs_git(plan.phases, is_sure=False))
    return names


def start_warnings(engine: Engine, plan: CompiledTemplate, frozen: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps the gates of a run from passing here: no git, or a check that is not configured, not found or did not work.

    ``frozen``: the checks as the run has them, by name.
    """
    from wfe_mcp.engine.credentials.faults import credential_faults

    requires = engine.plans.report(plan).requires.checks
    absent = [name for name in requires if name not in frozen]
    required = required_checks(plan.definition) if absent else set[str]()
    pending = engine.settings().pending if absent else None
    warnings = list(_without_git(engine, plan))
    for name in requires:
        if name in absent:
            tried = last_trial(engine.root, name)
            fix = "wfe-mcp trust" if pending is not None and name in pending.checks else INIT
            is_needed = f"so its gates cannot pass; the user fixes it with: {fix}"
            warnings.append(
                f"check {name} is not configured, {is_needed if name in required else 'so its gates are skipped'}"
                + (f" ({tried.summary})" if tried is not None and not tried.works else "")
            )
            continue
        check = FrozenCheck.model_validate(frozen[name])
        warnings.extend(f"check {name}: {fault.text}" for fault in credential_faults(engine, check.credentials))
        if fault := check_fault(engine.root, check, engine.environment):
            warnings.append(f"check {name} cannot start here, so its gates cannot pass: {fault}")
        elif (tried := last_trial(engine.root, name, check.argv)) is not None and not tried.works:
            warnings.append(
                f"check {name} did not work here, so its gates may not pass; the user tries it again with: {INIT} ({tried.summary})"
            )
    return tuple(warnings)


def _without_git(engine: Engine, plan: CompiledTemplate) -> Iterator[str]:
    phase = phase_that_needs_git(plan.phases, is_sure=False)
    if phase and not project_at(engine.root).is_git:
        why, commands = why_no_repository(engine.root)
        what = "deploy a commit" if _deploys(plan.phases[phase]) else "compare files"
        fix = f"so its gates cannot pass; the user fixes it with: {' or '.join(commands)}"
        yield f"phase {phase} needs git to {what} ({why}), {fix}"


def missing_reviewers(engine: Engine) -> dict[str, list[str]]:
    """The reviewers that opinion gates of this project's templates ask and that are not configured, each with these templates."""
    loaded, needed = engine.settings(), dict[str, list[str]]()
    for offer in offers(engine):
        roles: Mapping[str, Mapping[str, Any]] = offer.definition.get("roles") or {}
        asked = {str(roles[name].get("provider") or name) for name in _reviewers(offer.definition) if name in roles}
        for name in sorted(asked):
            try:
                fill_role(loaded, name, declared=True)
            except Refused:
                needed.setdefault(name, []).append(offer.name)
    return needed


def _reviewers(value: object) -> Iterator[str]:
    """The reviewers that the opinion gates in a definition name."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if mapping.get("kind") == "opinion":
            yield from mapping.get("reviewers") or ()
        yield from (name for inner in mapping.values() for name in _reviewers(inner))
    elif isinstance(value, list):
        yield from (name for inner in cast("list[object]", value) for name in _reviewers(inner))
