"""The checks of an environment, run in a checkout of a commit: here, or on its host by the system's ssh."""

import io
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wfe_mcp.core.errors import nearest_hint
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git.commits import contents
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.credentials.handing import hand_to_check
from wfe_mcp.engine.credentials.stored import require_credentials
from wfe_mcp.engine.deployments.hosts import HostCredentials, ssh_argv, ssh_path
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import sealed_evidence
from wfe_mcp.engine.kernel.step_call import StepCall, check_evidence
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.jobs.child import MAX_OUTPUT_BYTES, ChildResult
from wfe_mcp.jobs.job_context import ChildStopped, JobContext
from wfe_mcp.workspace.config.delivery_table import EnvironmentSettings, Stage
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.working_tree import HashedTree

_TAKES_FILES = {"deploy", "rollback"}


class Site(NamedTuple):
    """The environment ``name`` that a step works in. ``root``: the repository."""

    engine: Engine
    call: StepCall
    context: JobContext
    name: str
    settings: EnvironmentSettings
    root: Path


class CheckObservation(NamedTuple):
    """What a check of an environment showed. ``commit``: whether it printed the whole id of the commit that it was asked for."""

    ok: bool
    message: str
    log: str
    tries: int
    commit: bool

    @property
    def facts(self) -> dict[str, Any]:
        """As an operation records it."""
        return {"ok": self.ok, "log": self.log, "why": "" if self.ok else self.message, "tries": self.tries}


def site_of(engine: Engine, call: StepCall, context: JobContext, name: str) -> Site:
    """The environment ``name`` of trusted configuration. Raises DeliveryFault ``configuration``."""
    environments, root = engine.settings().settings.environments, Path(call.run.worktree)
    if name not in environments:
        hint = nearest_hint(name, environments, f"Configured: {', '.join(environments) or 'none'}.")
        raise DeliveryFault(f"No environment {name!r} is configured. {hint}", "configuration")
    if repository(root) is None:
        raise DeliveryFault("A deployment brings a commit, and this folder has no git. Run: git init", "configuration")
    return Site(engine, call, context, name, environments[name], root)


def require_credentials_of(site: Site, *stages: Stage) -> None:
    """Raises CredentialMissing before the first stage: a deployment that stopped in its middle would have to be rolled back."""
    checks = site.engine.settings().settings.checks
    used = (checks[name] for stage in stages if (name := site.settings.check_of(stage)) in checks)
    require_credentials(site.engine, [name for check in used for name in site.settings.credentials_of(check)])


def ask(site: Site, stage: Stage, commit: str, more: Mapping[str, str], tries: int = 1) -> CheckObservation:
    """Run the check of ``stage`` in a checkout of ``commit``, at most ``tries`` times until it passes.

    ``more``: variables beside those of the environment. Raises DeliveryFault ``configuration``, ChildStopped.
    """
    for number in range(1, tries + 1):
        judgement = _run(site, stage, commit, more)
        ok = judgement.kind is VerdictKind.PASS
        if ok or number == tries:
            tail = str(judgement.data.get("output", {}).get("tail", ""))
            return CheckObservation(
                ok,
                judgement.reason or judgement.message,
                judgement.log_path or "",
                number,
                ok and bool(commit) and commit in tail,
            )
        if site.context.stop.wait(seconds(site.settings.wait)):
            raise ChildStopped(site.context.stop.reason)
    raise AssertionError("tries is at least 1")  # pragma: no cover - its model says so


def _run(site: Site, stage: Stage, commit: str, more: Mapping[str, str]) -> Judgement:
    engine, call, settings = site.engine, site.call, site.settings
    name, known = settings.check_of(stage), engine.settings().settings
    check = known.checks[name].frozen(name)
    check = check.model_copy(update={"credentials": settings.credentials_of(check)})
    facts = {"WFE_ENVIRONMENT": site.name, "WFE_ADDRESS": settings.address, "WFE_COMMIT": commit, **more}
    variables = {**settings.variables, **facts}
    files = HashedTree(tree_of(site.root, commit), dict(contents(site.root, commit).files), {})
    update = {"env": (*check.env, *variables)}
    hand = hand_to_check(engine, call.run.id, call.attempt)
    there, environ = HostCredentials(hand), {**engine.environment, **variables}
    if settings.host:
        words = ["env", *(f"{key}={value}" for key, value in variables.items()), *check.argv]
        update |= {"argv": ssh_argv(engine, settings, words, is_given=bool(check.credentials)), "cwd": None}
        environ["PATH"] = ssh_path(engine)
        hand = there.hand
    takes_files = bool(settings.host) and stage in _TAKES_FILES

    def run(
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: float,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        log_path: Path | None = None,
        linger_s: float = 0.0,
    ) -> ChildResult:
        return site.context.run_child(
            argv,
            cwd=cwd,
            env=env,
            timeout_s=timeout_s,
            max_output_bytes=max_output_bytes,
            log_path=log_path,
            linger_s=linger_s,
            stdin=there.line + (_archive(cwd) if takes_files else b""),
            leaves=stage in _TAKES_FILES,
        )

    judgement = run_check(
        check.model_copy(update=update),
        name=name,
        root=site.root,
        evidence_dir=evidence_folder(site.root, call.run.id, call.attempt.phase, call.attempt.number),
        environ=environ,
        run=run,
        makes=known.sandbox,
        of=files,
        hand=hand,
    )
    judgement.data.update(environment=site.name, stage=stage, commit=commit)
    with engine.store.tx() as tx, change_run_in(engine, tx, call.run.id, SYSTEM) as change:
        tx.evidence.add(sealed_evidence(engine, tx, check_evidence(change, call.row, judgement, uuid.uuid4().hex[:16])))
    return judgement


def _archive(folder: Path) -> bytes:
    """The files of a checkout as a tar, in the order of their names, owned by no one."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    o = io.BytesIO()
    with tarfile.open(fileobj=o, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            if path.name != ".wfe":
                archive.add(path, path.name, filter=plain)
    return o.getvalue()
