"""The stack of each folder with a manifest: language, package manager, test runner, as ``init`` finds its checks.

pyproject.toml, uv.lock        →  Python, uv, pytest
package.json, pnpm-lock.yaml   →  TypeScript, pnpm, vitest
"""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config import node_checks as node
from wfe_mcp.workspace.config import python_checks as python
from wfe_mcp.workspace.config.found_checks import FoundCheck
from wfe_mcp.workspace.config.project_listing import Folder, Listing

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
