"""What a project consists of, by its files: languages, folders with a manifest, stacks, checks that can be proposed.

Nothing of the project runs, and nothing is stored: the facts are those of the moment.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.words import words
from wfe_mcp.workspace.config.found_checks import FoundCheck, found_checks
from wfe_mcp.workspace.config.project_listing import Listing, list_project
from wfe_mcp.workspace.config.stacks import Stack, stacks_of

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
