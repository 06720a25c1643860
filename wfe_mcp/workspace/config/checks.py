"""Configured checks: the commands that gates name, and the table ``[sandbox]``: what makes their sandboxes.

Rules:
1. A check is an argv list from configuration, never a shell line, and passes on variables by name, never by value.
2. Every path of a check is relative to the project root, also when the check runs in another folder (``cwd``).
"""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.table import Frozen, Table, optional, required_key
from wfe_mcp.workspace.files.paths import path_fault


def time_before(text: str, now: datetime) -> datetime:
    """A duration before ``now``, or a time; one without a zone is in this machine's. ValueError for anything else."""
    with suppress(ValueError):
        return now - timedelta(seconds=seconds(text))
    try:
        return datetime.fromisoformat(text).astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:80]!r} is neither a duration (2h, 7d) nor a time") from None


def _duration(text: str) -> str:
    seconds(text)
    return text


def _relative(path: str) -> str:
    fault = path_fault(path)
    if fault:
        raise ValueError(f"a path inside the project is expected, and {fault}")
    return path


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError('the name of a variable is expected, never its value, for example "CI"')
    return name


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError("a name is 1 to 64 letters, digits, '_' or '-', and starts with a letter or digit")
    return name


def _target(target: str) -> str:
    place = r"(file:)?[A-Za-z_][A-Za-z0-9_]*"
    if not re.fullmatch(rf"{place}|[a-z]+={place}( [a-z]+={place})*", target):
        raise ValueError('the name of a variable is expected, or "file:" and the name, for example "file:DEPLOY_KEY"')
    return target


def _word(word: str) -> str:
    if "\0" in word:
        raise ValueError("a word of a command holds no NUL character")
    return word


Duration = Annotated[str, AfterValidator(_duration)]
ProjectPath = Annotated[str, AfterValidator(_relative)]
Variable = Annotated[str, AfterValidator(_variable)]
Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[str, AfterValidator(_word)]
Target = Annotated[str, AfterValidator(_target)]
"""Where a check finds a credential: a variable with it, or `file:` and a variable with the path of a file; or so for each part."""
Where = Literal["worktree", "checkout", "runner"]


class FrozenCheck(Frozen):
    """A check as a run froze it at its start."""

    name: str
    argv: tuple[str, ...]
    cwd: str | None = None
    env: tuple[str, ...] = ()
    timeout_s: float
    junit: str | None = None
    coverage: str | None = None
    sarif: str | None = None
    writes: tuple[str, ...] = ()
    where: Where = "worktree"
    labels: tuple[str, ...] = ()
    bring: tuple[str, ...] = ()
    sandbox: bool = False
    network: bool = False
    credentials: dict[str, str] = Field(default={})


class CheckSettings(Table):
    """One ``[checks.<name>]`` table."""

    effect = "reads"

    argv: list[Word] = required_key(
        'The command as a list of words, run without a shell: `["pytest", "-q"]`.', effect="runs", min_length=1
    )
    cwd: ProjectPath | None = optional(
        None, 'The folder to run it in, inside the project: `"backend"`. Else the project\'s own.', effect="runs"
    )
    env: list[Variable] = optional(
        [],
        'Names of variables that pass to it, never values: `["CI"]`. PATH, HOME and their like always pass.',
        effect="passes",
    )
    credentials: dict[Name, Target] = optional(
        {},
        'Credentials that it receives, by name: `{ npm = "NPM_TOKEN", deploy-key = "file:DEPLOY_KEY" }` is the variable '
        "`NPM_TOKEN`, and a file whose path is in `DEPLOY_KEY`. "
        '`{ db = "username=PGUSER password=PGPASSWORD" }` names each part.',
        effect="passes",
    )
    timeout: Duration = optional(
        "10m", 'The longest it may run: a number and `ms`, `s`, `m`, `h` or `d`, as in `"5m"`.', effect="limit"
    )
    junit: ProjectPath | None = optional(
        None, "The JUnit XML report that it writes: which tests ran, which failed. pytest is asked for one anyway."
    )
    coverage: ProjectPath | None = optional(
        None, "The coverage report that it writes (Cobertura, JaCoCo, coverage.py, Istanbul, lcov)."
    )
    sarif: ProjectPath | None = optional(
        None, "The scanner's report that it writes, SARIF or the tool's JSON; `\"-\"`: it prints it."
    )
    writes: list[str] = optional(
        [],
        'Further files that it writes, as globs: `["build/**"]`. They do not count as a change of the files.',
        effect="writes",
    )
    where: Where = optional(
        "worktree",
        "Where it runs: `worktree`, the folder that the agent works in, or `checkout`, a new folder with a copy of "
        "exactly the hashed tree, an empty HOME and no file that git ignores; or `runner`, such a checkout on another machine.",
        effect="gates",
        order=get_args(Where),
    )
    labels: list[Name] = optional(
        [], 'With `where = "runner"`: what the runner must have, as in `wfe-mcp runner --labels`: `["linux", "gpu"]`.'
    )
    bring: list[ProjectPath] = optional(
        [], 'What else a checkout gets, as paths: `[".venv"]`, `["node_modules"]`. Folders are linked, files copied.'
    )
    sandbox: bool = optional(
        False,
        "Whether a checkout is also a sandbox (bubblewrap, Linux only, or a container): no network, and nothing else can be written.",
        effect="gates",
    )
    network: bool = optional(False, "Whether the sandbox has the network.", effect="calls")

    def fault(self) -> str:
        """Why the check cannot be used; empty when it can. Its keys may come from several files."""
        if self.where == "worktree" and self.sandbox:
            return "'sandbox' needs where = \"checkout\""
        if self.where != "checkout" and self.bring:
            return "'bring' needs where = \"checkout\""
        if self.where != "runner" and self.labels:
            return "'labels' needs where = \"runner\""
        if self.where == "runner":
            return ""
        return (
            "'network' needs sandbox = true; without it a check has your network"
            if self.network and not self.sandbox
            else ""
        )

    def frozen(self, name: str) -> FrozenCheck:
        """The check with its name, as a run freezes it."""
        return FrozenCheck(name=name, timeout_s=seconds(self.timeout), **self.model_dump(exclude={"timeout"}))


class SandboxSettings(Table):
    """``[sandbox]``: only in your own configuration, once you have trusted it; on a runner it counts as it is."""

    effect = "starts"

    bubblewrap: str = optional(
        "",
        "The absolute path of bubblewrap, where it lies in none of the places where systems install it. Only in your "
        "own configuration, once you have trusted it.",
        weakens=bool,
        pattern=r"^(/.*)?$",
    )
    container: str = optional(
        "",
        "An image, such as `python:3.13-slim`: sandboxes are containers of it, made by podman or docker, instead of bubblewrap's. "
        "It must be on the machine, and has the programs of the checks. Only in your own configuration, as above.",
        weakens=bool,
        pattern=r"^([A-Za-z0-9_@][A-Za-z0-9_./:@-]*)?$",
    )
    container_program: str = optional(
        "",
        "The absolute path of podman or docker, where it lies in none of the places where systems install it.",
        weakens=bool,
        pattern=r"^(/.*)?$",
    )
    sha256: str = optional(
        "",
        "The sha256 of the program that is named here. With another, no sandbox is made, and the message names the one that was found.",
        weakens=bool,
        pattern=r"^([0-9a-f]{64})?$",
    )

    @property
    def is_own(self) -> bool:
        """Whether the person said something."""
        return self != SandboxSettings()
