"""What a project consists of, by its files: languages, folders with a manifest, stacks, checks that can be proposed.

Nothing of the project runs, and nothing is stored: the facts are those of the moment.

The stack of each folder with a manifest: language, package manager, test runner, as ``init`` finds its checks.

pyproject.toml, uv.lock        →  Python, uv, pytest
package.json, pnpm-lock.yaml   →  TypeScript, pnpm, vitest
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.texts import one_line
from wfe_mcp.core.units import plural, word_set
from wfe_mcp.workspace.discovery import language_checks as python, node_checks as node
from wfe_mcp.workspace.discovery.check_table import CHAIN_FILES, MANIFESTS, is_swift_package
from wfe_mcp.workspace.discovery.findings import KINDS, ProjectFinding, findings_of
from wfe_mcp.workspace.discovery.found_checks import FoundCheck, found_checks
from wfe_mcp.workspace.discovery.project_listing import Folder, Listing, list_project

MOST_STACKS = 50
"""At most so many stacks of a project are named."""


@dataclass(frozen=True, slots=True)
class Stack:
    """``folder``: below the project, ``.`` is itself. ``runner``: of its tests, empty where none was found.

    ``command``: the words of the test check; ``check``: its name.
    """

    folder: str
    language: str
    manager: str
    runner: str = ""
    command: tuple[str, ...] = ()
    check: str = ""


class _Chain(NamedTuple):
    """A tool chain of ``found_checks``: its language and package manager."""

    chain: str
    language: str | Callable[[Folder], str]
    manager: str | Callable[[Folder], str]


def _script_language(folder: Folder) -> str:
    return "TypeScript" if folder.has("tsconfig.json") or node.depends_on(folder, "typescript") else "JavaScript"


_CHAINS = (
    _Chain("python", "Python", python.manager_of),
    _Chain("node", _script_language, node.manager_of),
    _Chain("rust", "Rust", "cargo"),
    _Chain("go", "Go", "go"),
    _Chain("maven", "Java", "maven"),
    _Chain("gradle", "Java or Kotlin", "gradle"),
    _Chain("ruby", "Ruby", "bundler"),
    _Chain("php", "PHP", "composer"),
    _Chain("dotnet", ".NET", "dotnet"),
    _Chain("deno", "TypeScript", "deno"),
    _Chain("elixir", "Elixir", "mix"),
    _Chain("dart", "Dart", "pub"),
    _Chain("swift", "Swift", "swift"),
    _Chain("cmake", "C or C++", "cmake"),
    _Chain("scala", "Scala", "sbt"),
    _Chain("haskell", "Haskell", "cabal"),
)
_RUNNERS = word_set(
    """
    pytest unittest nox tox vitest jest mocha rspec phpunit pest ctest nextest
    """
)
"""Runners that are known by the last part of a word of their command."""


def stacks_of(listing: Listing, checks: Sequence[FoundCheck]) -> tuple[Stack, ...]:
    """The stacks in the files of ``listing``, the project's own first. ``checks``: those that were found in it."""
    tests = {(check.settings.cwd or ".", check.chain): check for check in checks if check.kind == "test"}
    folders = sorted(listing.folders, key=lambda path: (bool(path), path.count("/"), path))
    stacks = [
        _stack(Folder(listing, path), chain, tests.get((path or ".", chain.chain)))
        for path in folders
        for chain in _CHAINS
        if not listing.is_aside(path) and _uses(Folder(listing, path), chain)
    ]
    return tuple(stacks[:MOST_STACKS])


def _uses(folder: Folder, chain: _Chain) -> bool:
    return folder.has(*CHAIN_FILES[chain.chain]) and not (chain.chain == "cmake" and is_swift_package(folder))


def _stack(folder: Folder, chain: _Chain, test: FoundCheck | None) -> Stack:
    language, manager = (
        name_or_function if isinstance(name_or_function, str) else name_or_function(folder)
        for name_or_function in (chain.language, chain.manager)
    )
    argv = () if test is None else tuple(test.settings.argv)
    words = (PurePosixPath(word).name.removesuffix(".exe") for word in argv)
    runner = next((word for word in words if word in _RUNNERS), " ".join(argv[:2]))
    return Stack(folder.path or ".", language, manager, runner, argv, "" if test is None else test.name)


LANGUAGES = {
    "C": (".c", ".h"),
    "C#": (".cs",),
    "C++": (".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    "CSS": (".css", ".scss"),
    "Dart": (".dart",),
    "Elixir": (".ex", ".exs"),
    "Go": (".go",),
    "HTML": (".html",),
    "Haskell": (".hs",),
    "Java": (".java",),
    "JavaScript": (".cjs", ".js", ".jsx", ".mjs"),
    "Kotlin": (".kt", ".kts"),
    "PHP": (".php",),
    "Perl": (".pl", ".pm"),
    "Python": (".py", ".pyi"),
    "Ruby": (".rb",),
    "Rust": (".rs",),
    "SQL": (".sql",),
    "Scala": (".scala",),
    "Shell": (".bash", ".sh"),
    "Swift": (".swift",),
    "TypeScript": (".cts", ".mts", ".ts", ".tsx"),
}
"""Language → the endings of its files."""

_LISTED = (*MANIFESTS, "Makefile", "go.work", "tsconfig.json")
"""The files that make a folder a place of checks, and those that only say what is in it."""
_BESIDE = frozenset({"CSS", "HTML", "SQL", "Shell"})
_NAMED = 6
CORRECTED = ("framework", "database", "service", "port", "entry point", "version")
"""Kinds of findings that are facts by this name: a person's word for one replaces all findings of the kind."""
MOST_FOLDERS = 50
"""At most so many folders are named, of the project and of a language."""

_LANGUAGE = {ending: name for name, endings in LANGUAGES.items() for ending in endings}


@dataclass(frozen=True, slots=True)
class Language:
    """A language, how many of its files there are, the folders below the project that hold them, ``.`` is itself, and the nearest file."""

    name: str
    files: int
    folders: tuple[str, ...]
    example: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A folder with a manifest, ``.`` is the project itself."""

    path: str
    manifests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """``left_out``: folders that were not searched for checks, since there are too many."""

    languages: tuple[Language, ...]
    packages: tuple[Package, ...]
    checks: tuple[FoundCheck, ...]
    left_out: tuple[str, ...]
    stacks: tuple[Stack, ...] = ()
    findings: tuple[ProjectFinding, ...] = ()


def project_facts(root: Path) -> ProjectFacts:
    """The facts of the project in ``root``."""
    listing = list_project(root)
    findings = findings_of(listing)
    checks = found_checks(listing, findings)
    languages = _languages(listing)
    spoken = (
        ProjectFinding("language", language.name, language.example, 1, note=plural(language.files, "file"))
        for language in languages
    )
    return ProjectFacts(
        languages,
        _packages(listing),
        checks.checks,
        checks.left_out,
        stacks_of(listing, checks.checks),
        tuple(sorted((*spoken, *findings, *worktrees(root)), key=lambda each: KINDS.index(each.kind))),
    )


def named_facts(facts: ProjectFacts) -> dict[str, str]:
    """The facts that a person may correct, by name: ``languages``, ``test runner``, ``web: package manager``."""
    facts_by_name = {"languages": ", ".join(language.name for language in facts.languages[:_NAMED])}
    for stack in facts.stacks:
        at = "" if stack.folder == "." else f"{stack.folder}: "
        for name, value in (
            ("language", stack.language),
            ("package manager", stack.manager),
            ("test runner", stack.runner),
        ):
            facts_by_name.setdefault(at + name, value)
    for kind in CORRECTED:
        values = dict.fromkeys(
            finding.value for finding in facts.findings if finding.kind == kind and finding.sure != "default"
        )
        facts_by_name.setdefault(kind, ", ".join([*values][:_NAMED]))
    return {name: value for name, value in facts_by_name.items() if value}


def _languages(listing: Listing) -> tuple[Language, ...]:
    """The languages, the one with the most files first; those that only go with another one come last.

    One that only tests, examples and documents are written in is left out beside another one.
    """
    files, folders = defaultdict[str, int](int), defaultdict[str, set[str]](set)
    nearest = dict[str, str]()

    def is_aside(file: str) -> bool:
        folders = file.rpartition("/")[0].split("/")  # templates hold the pages of an application
        return listing.is_aside("/".join(folder for folder in folders if folder != "templates"))

    for path, names in listing.folders.items():
        for name in sorted(names):
            language = _LANGUAGE.get(PurePosixPath(name).suffix.lower())
            if language is not None:
                files[language] += 1
                folders[language].add(path.partition("/")[0] or ".")
                if language not in nearest or (is_aside(nearest[language]) and not listing.is_aside(path)):
                    nearest[language] = f"{path}/{name}".lstrip("/")
    own = {name for name, file in nearest.items() if not is_aside(file)}
    ordered = sorted(own or files, key=lambda name: (name in _BESIDE, -files[name], name))
    return tuple(
        Language(name, files[name], tuple(sorted(folders[name])[:MOST_FOLDERS]), nearest[name]) for name in ordered
    )


def _packages(listing: Listing) -> tuple[Package, ...]:
    packages = [
        Package(path or ".", manifests)
        for path in listing.folders
        if not listing.is_aside(path) and (manifests := tuple(sorted({*Folder(listing, path).files(*_LISTED)})))
    ]
    return tuple(packages[:MOST_FOLDERS])


def worktrees(root: Path) -> list[ProjectFinding]:
    """The work trees of the repository besides this one, as its files name them; of a work tree, its repository."""
    git = root / ".git"
    if git.is_file():
        return [ProjectFinding("worktree of", _first_line(git).removeprefix("gitdir: "), ".git", 1)]
    linked = sorted(git.glob("worktrees/*/gitdir"))[:MOST_FOLDERS]
    worktree_places = ((_first_line(path).removesuffix("/.git"), path.relative_to(root).as_posix()) for path in linked)
    return [ProjectFinding("worktree", place, file, 1) for place, file in worktree_places if place]


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return one_line(text.readline(4_000).strip())
    except OSError:
        return ""
