"""The table ``[delivery]`` of config.toml: how the steps of a template bring an approved change to the base branch."""

from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from wfe_mcp.workspace.config.table import Table, optional

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
