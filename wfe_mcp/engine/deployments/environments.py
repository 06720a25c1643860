"""The checks of an environment, run in a checkout of a commit: here, or on its host by the system's ssh.

    ssh … HOST  sh -c 'read a line, set what it says'  sh  env NAME=VALUE …  the check's argv
                        ▲ standard input: one line that sets the credentials, then the files of the commit

Rules:
1. No credential is in an argument, here or there: the shell on the host reads it from the encrypted connection, and sets it
   for the check alone. A file of credentials is not made there.
2. ``ssh`` and what it starts are programs outside of the project: an agent may write there, and a login is worth stealing.
3. Nothing is asked of a host unless a person says so: ``ssh -G`` and ``ssh-keygen -F`` read files of this machine.
"""

import io
import os
import shlex
import tarfile
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Unpack

from wfe_mcp.core.errors import nearest_hint
from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.texts import one_line
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git.commits import contents
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.credentials.handing import hand_to_check
from wfe_mcp.engine.credentials.stored import require_credentials
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import sealed_evidence
from wfe_mcp.engine.kernel.step_call import StepCall, check_evidence
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.jobs.child import ChildResult, ChildValues, run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.handed import HandedVariables, HandOut
from wfe_mcp.jobs.job_context import ChildStopped, JobContext
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.delivery_table import EnvironmentSettings, Stage
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.files.programs import outside, path_outside
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

    def run(argv: Sequence[str], **values: Unpack[ChildValues]) -> ChildResult:
        stdin = there.line + (_archive(values["cwd"]) if takes_files else b"")
        return site.context.run_child(argv, stdin=stdin, leaves=stage in _TAKES_FILES, **values)

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


SSH_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)
"""Given to every ssh: it asks no one, takes no unknown host, forwards nothing, and ends when the host is gone."""

# POSIX: read takes no byte behind the end of the line, so what follows is the check's own input.
_SET = 'IFS= read -r wfe_given && eval "$wfe_given" && unset wfe_given wfe_line && exec "$@"'
# Substitution would cut a line's end that is the last character.
_LINE_END = r"wfe_line=$(printf '\n.'); wfe_line=${wfe_line%.}; "
_LOOK_S = 20.0


def ssh_argv(
    engine: Engine, settings: EnvironmentSettings, remote: Sequence[str], *, is_given: bool = False
) -> tuple[str, ...]:
    """The command that runs ``remote`` on the host. No word of it is read as an option or by a shell here.

    ``is_given``: the first line of its standard input is what ``Given.line`` is. Raises DeliveryFault ``configuration``.
    """
    words = ["sh", "-c", _SET, "sh", *remote] if is_given else remote
    return (*_ssh(engine, settings), "--", settings.host, shlex.join(words))


def ssh_path(engine: Engine) -> str:
    """PATH for ssh, which starts programs that its configuration names: without the folders of the project."""
    return path_outside(engine.root, engine.environment.get("PATH", os.defpath))


def _program(engine: Engine, name: str) -> str:
    program = outside(name, engine.root, engine.environment.get("PATH", os.defpath))
    if program is None:
        raise DeliveryFault(f"there is no {name} on PATH outside the project; fix: install OpenSSH", "configuration")
    return program


def _ssh(engine: Engine, settings: EnvironmentSettings) -> list[str]:
    known = settings.known_hosts
    options = [*SSH_OPTIONS, *([f'UserKnownHostsFile="{known}"', "GlobalKnownHostsFile=none"] if known else [])]
    words = [_program(engine, "ssh"), "-T", *(word for option in options for word in ("-o", option))]
    words += ["-p", str(settings.port)] if settings.port else []
    return [*words, *(["-l", settings.user] if settings.user else [])]


class HostCredentials:
    """Hands a check on a host its credentials: nothing to the process here, and ``line`` to the shell there."""

    def __init__(self, hand: HandOut) -> None:
        self._hand = hand
        self.line = b""

    @contextmanager
    def hand(self, check: FrozenCheck) -> Generator[HandedVariables]:
        """The credentials of ``check``, while it runs. Raises Refused as the hand-out that it wraps."""
        with self._hand(check) as variables:
            self.line = "".join([_LINE_END, *(_set(*item) for item in variables.variables.items()), ":\n"]).encode()
            try:
                yield HandedVariables()
            finally:
                self.line = b""


def _set(name: str, value: str) -> str:
    """A shell's command in one line that sets a variable of any lines. The value is an argument of nothing, as of a ``printf``."""
    lines = '"$wfe_line"'.join(map(shlex.quote, value.split("\n")))
    return f"{name}={lines}; export {name}; "


def host_findings(engine: Engine, *, ask: bool = False) -> Iterator[HealthFinding]:
    """What each environment would do, and whether ssh knows its host. ``ask``: log in there too, and do nothing."""
    for name, environment in engine.settings().settings.environments.items():
        topic, where = f"environment {name}", f"by ssh on {environment.host}" if environment.host else "on this machine"
        fault = _fault(engine, environment, ask=ask) if environment.host else ""
        if fault:
            yield HealthFinding(topic, "problem", fault)
            continue
        reached = ", which was reached" if environment.host and ask else ""
        checks = (
            f"deploy {environment.deploy}, health {environment.health}, rollback {environment.check_of('rollback')}"
        )
        yield HealthFinding(topic, "ok", f"{environment.kind}, {where}{reached}: {checks}")


def _fault(engine: Engine, environment: EnvironmentSettings, *, ask: bool) -> str:
    try:
        ssh, keygen = _ssh(engine, environment), _program(engine, "ssh-keygen")
    except DeliveryFault as fault:
        return str(fault)
    code, output = _ran(engine, [*ssh, "-G", "--", environment.host])
    if code != 0:
        return f"ssh cannot use its configuration for {environment.host}: {output}"
    set_ = {name: value for name, _, value in (line.partition(" ") for line in output.splitlines())}
    names = _names(environment, set_)
    users = set_.get("userknownhostsfile", "")
    # ssh -G separates files by the blanks that a file of [environments] may have in its name.
    files = [users.strip('"')] if environment.known_hosts else f"{users} {set_.get('globalknownhostsfile', '')}".split()
    if set_.get("knownhostscommand", "none") == "none" and not any(
        _ran(engine, [keygen, "-F", host, "-f", file])[0] == 0 for host in names for file in files
    ):
        port = f"-p {environment.port} " if environment.port else ""
        return (
            f"ssh does not know the key of {names[0]}, so each of its checks would fail; fix: ssh-keyscan {port}{environment.host}, compare its "
            f"fingerprint (ssh-keygen -lf FILE), and add it to {files[0] if files else 'known_hosts'}"
        )
    if not ask:
        return ""
    code, output = _ran(engine, ssh_argv(engine, environment, ["true"]))
    return "" if code == 0 else f"ssh does not reach {environment.host}: {one_line(output) or f'exit code {code}'}"


def _names(environment: EnvironmentSettings, set_: Mapping[str, str]) -> list[str]:
    """The names that the key of the host may stand under: with a port ssh takes that of the host alone, too."""
    if alias := set_.get("hostkeyalias", ""):
        return [alias]
    host, port = set_.get("hostname", environment.host), set_.get("port", "22")
    return [host] if port == "22" else [f"[{host}]:{port}", host]


def _ran(engine: Engine, argv: Sequence[str]) -> tuple[int | None, str]:
    """The exit code and the end of the output; what is hidden is not in it."""
    env = child_env(["SSH_AUTH_SOCK"], engine.environment) | {"PATH": ssh_path(engine)}
    done = run_child(argv, cwd=engine.root, env=env, timeout_s=_LOOK_S)
    return done.exit_code, done.output_tail
