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
from wfe_mcp.core.units import words
from wfe_mcp.workspace.config import language_checks as python, node_checks as node
from wfe_mcp.workspace.config.found_checks import FoundCheck, found_checks
from wfe_mcp.workspace.config.project_listing import Folder, Listing, list_project

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
    """A tool chain of ``found_checks``: its manifests, language and package manager."""

    chain: str
    manifests: tuple[str, ...]
    language: str | Callable[[Folder], str]
    manager: str | Callable[[Folder], str]


def _script_language(folder: Folder) -> str:
    return "TypeScript" if folder.has("tsconfig.json") or node.depends_on(folder, "typescript") else "JavaScript"


_CHAINS = (
    _Chain(
        "python",
        ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"),
        "Python",
        python.manager_of,
    ),
    _Chain("node", ("package.json",), _script_language, node.manager_of),
    _Chain("rust", ("Cargo.toml",), "Rust", "cargo"),
    _Chain("go", ("go.mod",), "Go", "go"),
    _Chain("maven", ("pom.xml",), "Java", "maven"),
    _Chain("gradle", ("build.gradle", "build.gradle.kts"), "Java or Kotlin", "gradle"),
    _Chain("ruby", ("Gemfile",), "Ruby", "bundler"),
    _Chain("php", ("composer.json",), "PHP", "composer"),
    _Chain("dotnet", ("*.csproj", "*.fsproj", "*.sln", "*.slnx"), ".NET", "dotnet"),
    _Chain("cmake", ("CMakeLists.txt",), "C or C++", "cmake"),
)
_RUNNERS = frozenset(
    {
        "pytest",
        "unittest",
        "nox",
        "tox",
        "vitest",
        "jest",
        "mocha",
        "rspec",
        "phpunit",
        "pest",
        "ctest",
        "nextest",
    }
)
"""Runners that are known by the last part of a word of their command."""


def stacks_of(listing: Listing, checks: Sequence[FoundCheck]) -> tuple[Stack, ...]:
    """The stacks in the files of ``listing``, the project's own first. ``checks``: those that were found in it."""
    tests = {(each.settings.cwd or ".", each.chain): each for each in checks if each.kind == "test"}
    folders = sorted(listing.folders, key=lambda path: (bool(path), path.count("/"), path))
    found = [
        _stack(Folder(listing, path), chain, tests.get((path or ".", chain.chain)))
        for path in folders
        for chain in _CHAINS
        if Folder(listing, path).has(*chain.manifests)
    ]
    return tuple(found[:MOST_STACKS])


def _stack(folder: Folder, chain: _Chain, test: FoundCheck | None) -> Stack:
    language, manager = (each if isinstance(each, str) else each(folder) for each in (chain.language, chain.manager))
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
    "Java": (".java",),
    "JavaScript": (".cjs", ".js", ".jsx", ".mjs"),
    "Kotlin": (".kt", ".kts"),
    "PHP": (".php",),
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

MANIFESTS = words(
    """
    CMakeLists.txt Cargo.toml Gemfile Makefile build.gradle build.gradle.kts composer.json go.mod go.work
    mix.exs package.json pom.xml pyproject.toml requirements.txt setup.py tsconfig.json
    """
)
_NAMED = 6
MOST_FOLDERS = 50
"""At most so many folders are named, of the project and of a language."""

_LANGUAGE = {ending: name for name, endings in LANGUAGES.items() for ending in endings}


@dataclass(frozen=True, slots=True)
class Language:
    """A language, how many of its files there are, and the folders below the project that hold them, ``.`` is itself."""

    name: str
    files: int
    folders: tuple[str, ...]


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


def project_facts(root: Path) -> ProjectFacts:
    """The facts of the project in ``root``."""
    listing = list_project(root)
    found = found_checks(listing)
    return ProjectFacts(
        _languages(listing), _packages(listing), found.checks, found.left_out, stacks_of(listing, found.checks)
    )


def named_facts(facts: ProjectFacts) -> dict[str, str]:
    """The facts that a person may correct, by name: ``languages``, ``test runner``, ``web: package manager``."""
    found = {"languages": ", ".join(each.name for each in facts.languages[:_NAMED])}
    for each in facts.stacks:
        at = "" if each.folder == "." else f"{each.folder}: "
        for name, value in (
            ("language", each.language),
            ("package manager", each.manager),
            ("test runner", each.runner),
        ):
            found.setdefault(at + name, value)
    return {name: value for name, value in found.items() if value}


def _languages(listing: Listing) -> tuple[Language, ...]:
    """The languages, the one with the most files first."""
    files, folders = defaultdict[str, int](int), defaultdict[str, set[str]](set)
    for path, names in listing.folders.items():
        for name in names:
            language = _LANGUAGE.get(PurePosixPath(name).suffix.lower())
            if language is not None:
                files[language] += 1
                folders[language].add(path.partition("/")[0] or ".")
    ordered = sorted(files, key=lambda name: (-files[name], name))
    return tuple(Language(name, files[name], tuple(sorted(folders[name])[:MOST_FOLDERS])) for name in ordered)


def _packages(listing: Listing) -> tuple[Package, ...]:
    found = [
        Package(path or ".", tuple(name for name in MANIFESTS if name in names))
        for path, names in listing.folders.items()
        if not names.isdisjoint(MANIFESTS)
    ]
    return tuple(found[:MOST_FOLDERS])
