"""The tables ``[delivery]`` and ``[environments.NAME]`` of config.toml.

How the steps of a template bring an approved change to the base branch, and where it runs then.
"""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, StringConstraints

from wfe_mcp.workspace.config.checks import CheckSettings, Duration, FrozenCheck, Name, Target, Variable
from wfe_mcp.workspace.config.table import Table, optional, required_key

_REF = r"[A-Za-z0-9_][A-Za-z0-9._/-]*"
RefName = Annotated[str, StringConstraints(pattern=rf"^{_REF}$", max_length=200)]
RefPrefix = Annotated[str, StringConstraints(pattern=rf"^({_REF})?$", max_length=100)]
RemoteName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._/-]*)?$", max_length=100)]

ForgeName = Annotated[
    str, StringConstraints(pattern=r"^(|github|gitlab|none|[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)+)$")
]

FIELDS = frozenset({"prefix", "item", "slug", "run", "title", "body", "template"})
"""What the templates of a branch name and of a message may name."""


def _filled_in(pattern: str) -> str:
    from string import Formatter

    try:
        named = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError as fault:
        raise ValueError(f"{pattern!r} has an open brace: {fault}") from fault
    if unknown := sorted(named - FIELDS):
        raise ValueError(f"{{{unknown[0]}}} is not known here; there are {', '.join(sorted(FIELDS))}")
    return pattern


Pattern = Annotated[str, AfterValidator(_filled_in)]


class DeliverySettings(Table):
    """``[delivery]``: the server makes branch, commit, push and merge. Absent: templates deliver nothing."""

    effect = "sets"

    mode: Literal["none", "merge", "pull_request"] = optional(
        "none",
        "How a change reaches the base: `merge` by the server, `pull_request` through the forge, `none`: not at all.",
        effect="calls",
    )
    base: RefName = optional("main", "The branch that changes begin at and are merged into.")
    remote: RemoteName = optional(
        "origin",
        'The remote that is fetched from and pushed to; `""`: none, all stays in this repository.',
        effect="calls",
    )
    address: str = optional(
        "",
        "The address that the remote must have; another one is refused. Without it `credential` is given to none, and what the base "
        "brought into a phase counts as a change of the phase, since an agent can change the remotes of a repository.",
        effect="calls",
    )
    prefix: RefPrefix = optional("ai/", "What the names of branches begin with.")
    branch: Pattern = optional(
        "{prefix}{item}-{slug}",
        "The name of a branch: `{prefix}`, `{item}` (the work item, else the run), `{slug}` (of the title), `{run}`, "
        "`{template}`.",
    )
    strategy: Literal["", "ff", "merge", "squash", "rebase"] = optional(
        "",
        'How `git.merge` and `forge.merge` merge; `""`: `ff` with mode `merge`, `squash` with `pull_request`, since GitHub has no '
        "`ff`.",
    )
    close_issues: bool = optional(
        False,
        "After the merge close the issue that the work item came from, where the forge has not done so.",
        effect="calls",
    )
    message: Pattern = optional(
        "{title}\n\n{body}",
        "The message of a commit; the trailers `Wfe-Run` and `Wfe-Item` follow.",
        effect="text",
    )
    never: list[str] = optional(
        [],
        "Globs of paths that never get into a commit, besides wfe-mcp's own files. A commit without an approved file is not what was "
        "approved: `verify --branch` names it.",
        effect="policy",
    )
    protected: list[str] = optional(
        [], "Globs of branches that are never pushed over or removed; the base is one.", effect="policy"
    )
    forge: ForgeName = optional(
        "",
        "The forge behind the remote: `github`, `gitlab`, `none`, or that of a package, such as `acme.gitea`; "
        '`""`: by the remote\'s address.',
        effect="calls",
    )
    api: str = optional(
        "",
        "The address of the forge's API, needed for every host but github.com and gitlab.com: a token goes nowhere else.",
        effect="sends",
    )
    credential: str = optional(
        "",
        "The name in the secret store of what pushes and merges; agents and checks never see it.",
        effect="sends",
    )

    @property
    def merges_by(self) -> Literal["ff", "merge", "squash", "rebase"]:
        """The strategy, or the one that works in each place of this mode."""
        return self.strategy or ("squash" if self.mode == "pull_request" else "ff")


Stage = Literal["deploy", "health", "test", "rollback"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""What an environment names a check for."""

# No option of ssh is a host or a user.
HostName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9.:_-]*)?$", max_length=253)]
UserName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*)?$", max_length=64)]


def _absolute(path: str) -> str:
    if (
        path
        and not path.startswith("~/")
        and not any(kind(path).is_absolute() for kind in (PurePosixPath, PureWindowsPath))
    ):
        raise ValueError(
            f"{path!r} would be a file of the commit that is deployed: name it by its whole path, or begin with ~/"
        )
    return path


KnownHosts = Annotated[str, AfterValidator(_absolute)]


class EnvironmentSettings(Table):
    """One ``[environments.<name>]`` table. Its checks run in a checkout of the approved commit, with your own HOME."""

    effect = "runs"

    kind: Literal["local", "development", "testing", "staging", "production", "ci"] = required_key(
        "What it is: `local`, `development`, `testing`, `staging`, `production` or `ci`.", effect="name"
    )
    address: str = optional("", "Its address; its checks see it as `WFE_ADDRESS`.", effect="calls")
    deploy: Name = required_key("The check that brings a commit there.")
    health: Name = required_key("The check that passes while it works. Without one, nothing counts as deployed.")
    test: Name | None = optional(None, "The check that tries what was deployed, once it is healthy.")
    rollback: Name | None = optional(
        None, "The check that brings the commit before back; absent: `deploy`, in a checkout of that commit."
    )
    tries: int = optional(5, "How often `health` is asked, at most, until it passes.", effect="limit", ge=1, le=1000)
    wait: Duration = optional("2s", "How long to wait before `health` is asked again.", effect="limit")
    repeatable: bool = optional(
        False,
        "Whether `deploy` and `rollback` may be called again after a crash without asking: twice does what once does.",
    )
    approval: Literal["human", "passkey"] = optional(
        "human", "How a person approves a deployment: with the PIN, or with a passkey.", effect="policy"
    )
    phrase: str | None = optional(
        None, 'What the person types as well: `"DEPLOY PRODUCTION"`.', effect="policy", min_length=1
    )
    variables: dict[Variable, str] = optional(
        {}, 'Variables that its checks get, by value: `{ PORT = "8080" }`. No secrets.', effect="passes"
    )
    credentials: dict[Name, Target] = optional(
        {},
        "Credentials that its checks get besides their own, in the form of `credentials` of a check; "
        "for the same variable, in place of them.",
        effect="passes",
    )
    host: HostName = optional("", "The host where its checks run, by ssh; absent: on this machine.", effect="calls")
    user: UserName = optional("", "The user there.", effect="calls")
    port: int | None = optional(None, "The port of ssh there.", effect="calls", ge=1, le=65535)
    known_hosts: KnownHosts = optional(
        "",
        "The file with the host's key, by its whole path; absent: your own. A host that is in none is refused.",
        effect="calls",
    )

    def check_of(self, stage: Stage) -> str:
        """The name of the check of ``stage``; empty where there is none."""
        return getattr(self, stage) or (self.deploy if stage == "rollback" else "")

    def fault(self, checks: dict[str, CheckSettings]) -> str:
        """Why the environment cannot be used; empty when it can. Its checks may come from several files."""
        if missing := [
            self.check_of(stage_name) for stage_name in STAGES if self.check_of(stage_name) not in {"", *checks}
        ]:
            known = ", ".join(sorted(checks)) or "none"
            return f"there is no check {missing[0]!r}; configured: {known}"
        used = [(stage, name) for stage in STAGES if (name := self.check_of(stage))]
        if held := [
            f"its {stage} acts outside, and check {name!r} runs in a sandbox"
            for stage, name in used
            if checks[name].sandbox
        ]:
            return held[0]
        filed = [
            name for _, name in used if self.host and "file:" in " ".join(self.credentials_of(checks[name]).values())
        ]
        return f"check {filed[0]!r} gets a credential as a file, and a host gets variables only" if filed else ""

    def credentials_of(self, check: CheckSettings | FrozenCheck) -> dict[str, str]:
        """What ``check`` gets here: its own credentials, and those of this environment, which go before where both name a variable."""
        taken = self.credentials.values()
        return {name: target for name, target in check.credentials.items() if target not in taken} | self.credentials
