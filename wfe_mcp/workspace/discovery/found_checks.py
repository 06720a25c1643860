"""Finds a project's test, build, lint, type and security checks: ``check_table.ROWS`` has a row per tool.

    folders with a manifest  ×  ROWS  →  the first row per tool chain and kind  →  names: test, test-go, test-web

Rules:
1. ProjectFinding runs nothing of the project (``project_listing``); ``engine/checks/trial.py`` tries what is found.
2. A row names a command that changes no source file and waits for no input.
3. A folder inside the project gets checks of its own, with ``cwd``, unless a workspace above it covers it.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.texts import slug
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.discovery import check_table, node_checks as node
from wfe_mcp.workspace.discovery.findings import ProjectFinding, findings_of
from wfe_mcp.workspace.discovery.project_listing import Folder, Listing, list_project
from wfe_mcp.workspace.files.paths import path_fault

MAX_PACKAGES = 12
"""Most folders of packages that get checks; the project itself counts too."""

_MAX_PACKAGE_DEPTH = 3
_LAUNCHER = re.compile(
    r"^(?:(?:\S*python3?|py)(?:\.exe)? -m |(?:uv|poetry|pdm|pipenv|hatch|yarn) run |npx --no-install |(?:pnpm|bundle) exec |\./|\S+/(?=[\w-]+ ))"
)
_CORE = re.compile(r"^([\w@-]+)(?: -\S+)*((?: [a-z][\w:-]*)*)")
"""The words of a command up to its first path or option, but for options before them, as ``gradle --console=plain test`` has."""


@dataclass(frozen=True, slots=True)
class FoundCheck:
    """A check to propose. ``findings``: exit codes by which its tool reports problems in the code, and so works.

    ``chain``: its tool chain, such as python or node. ``is_configured``: it is in the configuration already. ``why``: the
    files and lines that speak for it.
    """

    name: str
    kind: check_table.Kind
    settings: CheckSettings
    findings: frozenset[int] = check_table.NO_FINDINGS
    chain: str = ""
    is_configured: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class FoundChecks:
    """What was found. ``left_out``: folders of further packages, which are too many."""

    checks: tuple[FoundCheck, ...]
    left_out: tuple[str, ...] = ()


def find_checks(root: Path) -> FoundChecks:
    """The checks to propose for the project in ``root``."""
    return found_checks(list_project(root))


def found_checks(listing: Listing, findings: Sequence[ProjectFinding] | None = None) -> FoundChecks:
    """The checks to propose for the files of ``listing``: those of the project first, then by folder.

    ``findings``: its findings, where they are known already.
    """
    findings = findings_of(listing) if findings is None else findings
    folders = _packages(listing)
    hits = [hit for folder in folders[:MAX_PACKAGES] for hit in _hits(folder)]
    kept = [_as_in_ci(hit, findings) for hit in hits if not _is_covered(hit, hits)]
    return FoundChecks(tuple(_with_names(kept, findings)), tuple(folder.path for folder in folders[MAX_PACKAGES:]))


class _Hit(NamedTuple):
    """A row that fits a folder, with its command."""

    folder: Folder
    row: check_table.OfferedCheck
    argv: tuple[str, ...]


def _packages(listing: Listing) -> list[Folder]:
    """The project, then the folders with a manifest, nearest first."""
    folders = [Folder(listing)]
    for path in sorted(listing.folders, key=lambda path: (path.count("/"), path)):
        parts = path.split("/")
        is_near = bool(path) and len(parts) <= _MAX_PACKAGE_DEPTH and not (path[0] == "." or listing.is_aside(path))
        # A check starts only in folders that a path of ours can name: no control character, nothing but UTF-8.
        if is_near and Folder(listing, path).has(*check_table.MANIFESTS) and not path_fault(path):
            folders.append(Folder(listing, path))
    return folders


def _hits(folder: Folder) -> Iterator[_Hit]:
    """The first fitting row of each tool chain and kind."""
    seen = set[tuple[str, str]]()
    for row in check_table.ROWS:
        if (row.chain, row.kind) in seen or (row.kind == "security" and folder.path) or not row.where(folder):
            continue
        command = row.command
        argv = shlex.split(command) if isinstance(command, str) else command(folder)
        if argv:
            seen.add((row.chain, row.kind))
            yield _Hit(folder, row, tuple(argv))


def _is_covered(hit: _Hit, hits: Sequence[_Hit]) -> bool:
    """Whether another check does the same: of a workspace above, or a declared task in place of a tool and vice versa."""
    for other in hits:
        if other.row.kind != hit.row.kind:
            continue
        if other.folder == hit.folder and (hit.row.chain == check_table.TASKS) != (
            other.row.chain == check_table.TASKS
        ):
            task, tool = (hit, other) if hit.row.chain == check_table.TASKS else (other, hit)
            if (task is hit) != _comes_first(task, tool):
                return True
        covers = hit.row.chain in check_table.COVER_BELOW or (
            hit.row.chain == "node" and node.is_workspace(other.folder)
        )
        if covers and other.row.chain == hit.row.chain and _is_above(other.folder, hit.folder):
            return True
    return False


def _comes_first(task: _Hit, tool: _Hit) -> bool:
    """Whether a person's task replaces the command of a tool: not for tests, which the server then could not tell apart.

    Nor does ``all``, which may do anything.
    """
    return (
        task.row.kind != "test"
        and task.argv[-1] != "all"
        and tool.argv[0] not in check_table.SCRIPTS
        and task.folder.listing.installed(task.argv[0])
    )


def _as_in_ci(hit: _Hit, findings: Sequence[ProjectFinding]) -> _Hit:
    """The command with the paths that CI gives the tool, where it would read the whole project."""
    command = " ".join(hit.argv[:-1])
    if hit.argv[-1] != "." or hit.folder.path:
        return hit
    ran = re.compile(rf"{re.escape(_LAUNCHER.sub('', f'{command} ').strip())}((?: (?!-)[\w./-]+)+)")
    matches = (
        ran.fullmatch(_LAUNCHER.sub("", finding.value))
        for finding in findings
        if finding.kind == "ci" and not finding.folder
    )
    paths = next((match[1].split() for match in matches if match), ["."])
    return hit._replace(argv=(*hit.argv[:-1], *paths))


def _why(hit: _Hit, findings: Sequence[ProjectFinding]) -> str:
    """The files and lines that speak for a check: what declares it, and the line of CI that runs the same."""
    command, folder = " ".join(hit.argv), hit.folder
    own = [finding for finding in findings if finding.file.rpartition("/")[0] == folder.path]
    declared = next((finding for finding in own if finding.kind == "task" and finding.value == command), None)
    manifests = (*check_table.CHAIN_FILES.get(hit.row.chain, ()), *check_table.MANIFESTS)
    manifest = next(folder.files(*manifests), "")
    ran = _line_of_ci(hit.argv, is_script=declared is not None and hit.argv[0] in check_table.SCRIPTS)
    run = (finding for finding in findings if finding.kind == "ci" and _is_about(finding, folder))
    ci = next((finding for finding in run if ran and ran.search(finding.value)), None)
    reasons = [
        f"{declared.file}:{declared.line}" if declared else folder.path_of(manifest) if manifest else "",
        f"CI runs it: {ci.file}:{ci.line}" if ci else "",
    ]
    return "; ".join(filter(None, reasons))


def _line_of_ci(argv: Sequence[str], *, is_script: bool) -> re.Pattern[str] | None:
    """What a line of CI contains that runs the same: ``yarn run build`` is ``yarn build``, too."""
    if is_script:
        words = f"{argv[0]} (?:run(?:-script)? )?{re.escape(argv[-1])}"
    else:
        core = _CORE.search(_LAUNCHER.sub("", " ".join((*argv, ""))))
        words = r"(?: -\S+)* ".join(re.escape(word) for word in f"{core[1]}{core[2]}".split()) if core else ""
    return re.compile(rf"(?<![\w-]){words}(?![\w:-])") if words else None


def _is_about(ran: ProjectFinding, folder: Folder) -> bool:
    """Whether CI ran it in the folder, or in the project's own and names the folder."""
    is_named = re.search(rf"(?<![\w.-]){re.escape(folder.path)}(?![\w-])", ran.value)
    return ran.folder == folder.path or (not ran.folder and is_named is not None)


def _is_above(folder: Folder, other: Folder) -> bool:
    return folder.path != other.path and (not folder.path or other.path.startswith(f"{folder.path}/"))


def _with_names(hits: Sequence[_Hit], findings: Sequence[ProjectFinding]) -> Iterator[FoundCheck]:
    """Names by kind, tool chain and folder: the plain kind for the first one of the project, or the only one."""
    taken = set[str]()
    for kind in check_table.KINDS:
        those = [hit for hit in hits if hit.row.kind == kind]
        for number, hit in enumerate(those):
            first = number == 0 and (not hit.folder.path or len(those) == 1)
            name = kind if first else next(name for name in _names(hit) if name not in taken)
            taken.add(name)
            yield FoundCheck(name, kind, _settings(hit), _findings(hit.row), hit.row.chain, why=_why(hit, findings))


def _names(hit: _Hit) -> Iterator[str]:
    """Names for one check, best first: ``test-web``, ``test-web-go``, ``test-apps-web``, then numbered."""
    kind, path = hit.row.kind, slug(hit.folder.path, 40)
    leaf = slug(hit.folder.path.rpartition("/")[2], 40)
    parts = ([leaf], [leaf, hit.row.chain], [path], [path, hit.row.chain]) if path else ([hit.row.chain],)
    for words in parts:
        yield "-".join([kind, *filter(None, words)])[:64]
    number = 2
    while True:
        yield f"{kind}-{number}"
        number += 1


def _settings(hit: _Hit) -> CheckSettings:
    folder = hit.folder
    writes = hit.row.writes(folder) if callable(hit.row.writes) else hit.row.writes
    keys = {
        "cwd": folder.path,
        "writes": [folder.path_of(glob) for glob in writes],
        "sarif": check_table.REPORT if check_table.REPORT in hit.argv else "",
    }
    return CheckSettings.model_validate({"argv": list(hit.argv)} | {key: value for key, value in keys.items() if value})


def _findings(row: check_table.OfferedCheck) -> frozenset[int]:
    if row.findings is not None:
        return row.findings
    return check_table.FINDINGS if row.kind in {"lint", "types", "security"} else check_table.NO_FINDINGS
