"""Finds a project's test, build, lint, type and security checks: ``ROWS`` has a row per tool.

    folders with a manifest  ×  ROWS  →  the first row per tool chain and kind  →  names: test, test-go, test-web

Rules:
1. Finding runs nothing of the project (``project_listing``); ``engine/checks/trial.py`` tries what is found.
2. A row names a command that changes no source file and waits for no input.
3. A folder inside the project gets checks of its own, with ``cwd``, unless a workspace above it covers it.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config import node_checks as node
from wfe_mcp.workspace.config import python_checks as python
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.config.project_listing import Folder, Listing, list_project, table

Kind = Literal["test", "build", "lint", "types", "security"]
KINDS: tuple[Kind, ...] = ("test", "build", "lint", "types", "security")
MAX_PACKAGES = 12
"""Most folders of packages that get checks; the project itself counts too."""

_MAX_PACKAGE_DEPTH = 3
_FINDINGS = frozenset({1})
_NO_FINDINGS = frozenset[int]()


@dataclass(frozen=True, slots=True)
class FoundCheck:
    """A check to propose. ``findings``: exit codes by which its tool reports problems in the code, and so works.

    ``chain``: its tool chain, such as python or node.
    """

    name: str
    kind: Kind
    settings: CheckSettings
    findings: frozenset[int] = _NO_FINDINGS
    chain: str = ""


@dataclass(frozen=True, slots=True)
class FoundChecks:
    """What was found. ``left_out``: folders of further packages, which are too many."""

    checks: tuple[FoundCheck, ...]
    left_out: tuple[str, ...] = ()


Condition = Callable[[Folder], bool]
Command = Callable[[Folder], Sequence[str] | None]


class Row(NamedTuple):
    """A check that a tool chain offers: where, and by which command (words in a string, or a function of the folder)."""

    chain: str
    kind: Kind
    where: Condition
    command: str | Command
    findings: frozenset[int] | None = None
    writes: Sequence[str] | Callable[[Folder], Sequence[str]] = ()


def has(*patterns: str) -> Condition:
    """The folder has such a file."""
    return lambda folder: folder.has(*patterns)


def says(pattern: str, *names: str) -> Condition:
    """A line of one of these files matches."""
    return lambda folder: folder.says(pattern, *names)


def below(name: str, *patterns: str) -> Condition:
    """There is such a file below ``name``."""
    return lambda folder: folder.has_below(name, *patterns)


def both(*conditions: Condition) -> Condition:
    """All of the conditions hold."""
    return lambda folder: all(condition(folder) for condition in conditions)


def either(*conditions: Condition) -> Condition:
    """One of the conditions holds."""
    return lambda folder: any(condition(folder) for condition in conditions)


def is_installed(program: str) -> Condition:
    """A program is on PATH."""
    return lambda folder: folder.listing.installed(program)


def _always(_folder: Folder) -> bool:
    return True


def _configures(tool: str, *files: str) -> Condition:
    return lambda folder: python.configures(folder, tool, *files)


def _python_tool(tool: str, *arguments: str) -> Command:
    return lambda folder: python.python_tool(folder, tool, *arguments)


def _script(*names: str) -> Command:
    return lambda folder: node.script(folder, *names)


def _node_tool(tool: str, *arguments: str) -> Command:
    return lambda folder: node.node_tool(folder, tool, *arguments)


def _depends(*packages: str) -> Condition:
    return lambda folder: node.depends_on(folder, *packages)


def _wrapped(wrapper: str, windows: str, program: str, arguments: str) -> Command:
    """A build tool by the project's own wrapper, else the one on PATH."""

    def command(folder: Folder) -> list[str]:
        own = windows if folder.listing.windows else wrapper
        place, up = folder, ""
        while not place.has(own) and place.above is not None:
            place, up = place.above, f"{up}../"
        return [f"{up or './'}{own}" if place.has(own) else program, *arguments.split()]

    return command


def _bundled(program: str) -> Command:
    return lambda folder: [*(["bundle", "exec"] if folder.has("Gemfile") else []), *program.split()]


def _composer(*names: str) -> Command:
    def command(folder: Folder) -> list[str] | None:
        scripts = table(folder.json("composer.json"), "scripts")
        found = next((name for name in names if name in scripts), None)
        return ["composer", "run-script", found] if found else None

    return command


def _make(*targets: str) -> Command:
    def command(folder: Folder) -> list[str] | None:
        # GNU make reads the first of these names.
        file = next((name for name in ("GNUmakefile", "makefile", "Makefile") if folder.has(name)), "")
        found = (name for name in targets if folder.says(rf"^{name}\s*:(?!=)", file))
        target = next(found, None)
        return ["make", target] if target else None

    return command


def _maven(arguments: str) -> Command:
    return _wrapped("mvnw", "mvnw.cmd", "mvn", f"-B {arguments}")


def _gradle(arguments: str) -> Command:
    return _wrapped("gradlew", "gradlew.bat", "gradle", f"--console=plain {arguments}")


_GRADLE_FILES = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_DOTNET_FILES = ("*.sln", "*.slnx", "*.csproj", "*.fsproj", "*.vbproj")
_ESLINT = ("eslint.config.*", ".eslintrc", ".eslintrc.*")
_RUBY_TESTS = "Dir.glob('./test/**/*_test.rb').sort.each { |file| require file }"
_CTEST = 'ctest --build-and-test . build --build-generator "Unix Makefiles" --build-noclean'
_REPORT = ".wfe/report-security.json"
_CODE = (".venv", "venv", "tests", "test", "node_modules")
_is_python = has("pyproject.toml", "setup.py", "requirements.txt", "*.py")

ROWS: tuple[Row, ...] = (
    Row("python", "test", _always, python.pytest_or_unittest, writes=python.coverage_files),
    Row("python", "build", _always, python.distribution, writes=("dist/**",)),
    Row("python", "lint", _configures("ruff", "ruff.toml", ".ruff.toml"), _python_tool("ruff", "check", ".")),
    Row("python", "lint", _configures("flake8", ".flake8"), _python_tool("flake8")),
    Row("python", "lint", _configures("pylint", ".pylintrc", "pylintrc"), _python_tool("pylint", "--recursive=y", "."), frozenset(range(1, 32))),
    Row("python", "types", _configures("mypy", "mypy.ini", ".mypy.ini"), python.mypy),
    Row("python", "types", _configures("pyright", "pyrightconfig.json"), _python_tool("pyright")),
    Row("python", "types", _configures("basedpyright"), _python_tool("basedpyright")),
    Row("python", "types", _configures("ty", "ty.toml"), _python_tool("ty", "check")),
    Row("node", "test", _always, _script("test", "test:unit", "unit")),
    Row("node", "test", _depends("vitest"), _node_tool("vitest", "run")),
    Row("node", "test", _depends("jest"), _node_tool("jest")),
    Row("node", "test", _depends("mocha"), _node_tool("mocha")),
    Row("node", "test", both(has("bun.lock", "bun.lockb"), node.has_test_files), "bun test"),
    Row("node", "test", both(has("package.json"), node.has_test_files), "node --test"),
    Row("node", "build", _always, _script("build", "compile")),
    Row("node", "lint", _always, _script("lint", "lint:check", "eslint")),
    Row("node", "lint", both(has(*_ESLINT), _depends("eslint")), _node_tool("eslint", ".")),
    Row("node", "lint", both(has("biome.json", "biome.jsonc"), _depends("@biomejs/biome")), _node_tool("biome", "check")),
    Row("node", "lint", _depends("oxlint"), _node_tool("oxlint")),
    Row("node", "types", _always, _script("typecheck", "type-check", "types", "check-types", "check:types", "tsc"), frozenset({1, 2})),
    Row("node", "types", both(has("tsconfig.json"), _depends("typescript")), _node_tool("tsc", "--noEmit"), frozenset({1, 2})),
    Row("rust", "test", has("Cargo.toml"), "cargo test"),
    Row("rust", "build", has("Cargo.toml"), "cargo build"),
    Row("rust", "lint", has("Cargo.toml"), "cargo clippy --all-targets -- -D warnings", frozenset({101})),
    Row("go", "test", has("go.mod"), "go test ./..."),
    Row("go", "build", has("go.mod"), "go build ./..."),
    Row("go", "lint", has(".golangci.*"), "golangci-lint run"),
    Row("go", "lint", has("go.mod"), "go vet ./..."),
    Row("maven", "test", has("pom.xml"), _maven("test")),
    Row("maven", "build", has("pom.xml"), _maven("-DskipTests package")),
    Row("gradle", "test", has(*_GRADLE_FILES), _gradle("test")),
    Row("gradle", "build", has(*_GRADLE_FILES), _gradle("assemble")),
    Row("gradle", "lint", says(r"ktlint", *_GRADLE_FILES), _gradle("ktlintCheck")),
    Row("gradle", "lint", says(r"detekt", *_GRADLE_FILES), _gradle("detekt")),
    Row("ruby", "test", either(has(".rspec"), below("spec", "*_spec.rb")), _bundled("rspec")),
    Row("ruby", "test", both(below("test", "*_test.rb"), has("config.ru"), below("bin", "rails")), "bin/rails test"),
    Row("ruby", "test", says(r"Rake::TestTask|Minitest::TestTask|task[ (]+:?[\"']?test\b", "Rakefile"), _bundled("rake test")),
    Row("ruby", "test", below("test", "*_test.rb"), shlex.join(["ruby", "-Ilib", "-Itest", "-e", _RUBY_TESTS])),
    Row("ruby", "lint", has(".rubocop.yml"), _bundled("rubocop")),
    Row("ruby", "types", below("sorbet", "config"), _bundled("srb tc")),
    Row("ruby", "types", has("Steepfile"), _bundled("steep check")),
    Row("php", "test", has("composer.json"), _composer("test", "phpunit", "tests")),
    Row("php", "test", says(r"pestphp/pest\"", "composer.json"), "vendor/bin/pest"),
    Row("php", "test", has("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"), "vendor/bin/phpunit"),
    Row("php", "lint", has("composer.json"), _composer("lint", "cs", "cs-check", "check-style", "phpcs")),
    Row("php", "lint", has("phpcs.xml", "phpcs.xml.dist", ".phpcs.xml", ".phpcs.xml.dist"), "vendor/bin/phpcs", frozenset({1, 2, 3})),
    Row("php", "lint", has(".php-cs-fixer.php", ".php-cs-fixer.dist.php"), "vendor/bin/php-cs-fixer check", frozenset({8})),
    Row("php", "types", has("composer.json"), _composer("phpstan", "stan", "analyse", "analyze", "psalm", "types")),
    Row("php", "types", has("phpstan.neon", "phpstan.neon.dist", "phpstan.dist.neon"), "vendor/bin/phpstan analyse --no-progress"),
    Row("php", "types", has("psalm.xml", "psalm.xml.dist"), "vendor/bin/psalm --no-progress", frozenset({1, 2})),
    Row("dotnet", "test", has(*_DOTNET_FILES), "dotnet test --nologo"),
    Row("dotnet", "build", has(*_DOTNET_FILES), "dotnet build --nologo"),
    Row("dotnet", "lint", both(has(*_DOTNET_FILES), has(".editorconfig")), "dotnet format --verify-no-changes", frozenset({2})),
    Row("cmake", "test", says(r"(?i)enable_testing|include\s*\(\s*CTest", "CMakeLists.txt"), f"{_CTEST} --test-command ctest --output-on-failure", writes=("build/**",)),
    Row("cmake", "build", has("CMakeLists.txt"), _CTEST, writes=("build/**",)),
    Row("make", "test", _always, _make("test", "check")),
    Row("make", "build", _always, _make("build", "all")),
    Row("make", "lint", _always, _make("lint"), frozenset({2})),
    Row("make", "types", _always, _make("types", "typecheck", "type-check"), frozenset({2})),
    Row("security", "security", both(_is_python, is_installed("bandit")), f"bandit -q -r . -x {','.join(f'./{each}' for each in _CODE)} -f json -o {_REPORT}"),
    Row("security", "security", is_installed("semgrep"), f"semgrep scan --config auto --error --quiet --sarif --output {_REPORT}"),
    Row("security", "security", both(_is_python, is_installed("pip-audit")), f"pip-audit -f json -o {_REPORT}"),
    Row("security", "security", both(has("package-lock.json"), is_installed("npm")), "npm audit --audit-level=high"),
)  # fmt: skip
"""Tool chains by precedence; within one, the first row of a kind that fits. bandit comes first: it needs no network."""

_COVER_BELOW = frozenset({"rust", "maven", "gradle", "dotnet", "cmake", "make", "security"})
"""Tool chains whose check in a folder covers the folders below it too."""

_FALLBACK = "make"
"""Its targets usually run the other tools, so they count only where no other check of the kind was found."""

_MANIFESTS = (
    "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "package.json", "Cargo.toml", "go.mod", "pom.xml", *_GRADLE_FILES,
    "Gemfile", "Rakefile", "composer.json", *_DOTNET_FILES, "CMakeLists.txt",
)  # fmt: skip
_NO_PACKAGES = frozenset(
    [
        "test",
        "tests",
        "spec",
        "__tests__",
        "testdata",
        "fixtures",
        "examples",
        "example",
        "samples",
        "docs",
        "doc",
        "templates",
        "template",
        "e2e",
    ]
)


def find_checks(root: Path) -> FoundChecks:
    """The checks to propose for the project in ``root``."""
    return found_checks(list_project(root))


def found_checks(listing: Listing) -> FoundChecks:
    """The checks to propose for the files of ``listing``: those of the project first, then by folder."""
    folders = _packages(listing)
    hits = [hit for folder in folders[:MAX_PACKAGES] for hit in _hits(folder)]
    kept = [hit for hit in hits if not _is_covered(hit, hits)]
    return FoundChecks(tuple(_named(kept)), tuple(folder.path for folder in folders[MAX_PACKAGES:]))


class _Hit(NamedTuple):
    """A row that fits a folder, with its command."""

    folder: Folder
    row: Row
    argv: tuple[str, ...]


def _packages(listing: Listing) -> list[Folder]:
    """The project, then the folders with a manifest, nearest first."""
    found = [Folder(listing)]
    for path in sorted(listing.folders, key=lambda path: (path.count("/"), path)):
        parts = path.split("/")
        is_near = bool(path) and len(parts) <= _MAX_PACKAGE_DEPTH and not _NO_PACKAGES & set(parts)
        if is_near and Folder(listing, path).has(*_MANIFESTS):
            found.append(Folder(listing, path))
    return found


def _hits(folder: Folder) -> Iterator[_Hit]:
    """The first fitting row of each tool chain and kind."""
    seen = set[tuple[str, str]]()
    for row in ROWS:
        if (row.chain, row.kind) in seen or (row.kind == "security" and folder.path) or not row.where(folder):
            continue
        command = row.command
        argv = shlex.split(command) if isinstance(command, str) else command(folder)
        if argv:
            seen.add((row.chain, row.kind))
            yield _Hit(folder, row, tuple(argv))


def _is_covered(hit: _Hit, hits: Sequence[_Hit]) -> bool:
    """Whether another check does the same: of a workspace above, or in place of a target of make."""
    for other in hits:
        same_kind, above = other.row.kind == hit.row.kind, _is_above(other.folder, hit.folder)
        if hit.row.chain == _FALLBACK and same_kind and other.row.chain != _FALLBACK and other.folder == hit.folder:
            return True
        if above and other.row.chain == hit.row.chain:
            covers = hit.row.chain in _COVER_BELOW or (hit.row.chain == "node" and node.is_workspace(other.folder))
            if same_kind and covers:
                return True
    return False


def _is_above(one: Folder, other: Folder) -> bool:
    return one.path != other.path and (not one.path or other.path.startswith(f"{one.path}/"))


def _named(hits: Sequence[_Hit]) -> Iterator[FoundCheck]:
    """Names by kind, tool chain and folder: the plain kind for the first one of the project, or the only one."""
    taken = set[str]()
    for kind in KINDS:
        those = [hit for hit in hits if hit.row.kind == kind]
        for number, hit in enumerate(those):
            first = number == 0 and (not hit.folder.path or len(those) == 1)
            name = kind if first else next(name for name in _names(hit) if name not in taken)
            taken.add(name)
            yield FoundCheck(name, kind, _settings(hit), _findings(hit.row), hit.row.chain)


def _names(hit: _Hit) -> Iterator[str]:
    """Names for one check, best first: ``test-web``, ``test-web-go``, ``test-apps-web``, then numbered."""
    kind, path = hit.row.kind, _slug(hit.folder.path)
    leaf = _slug(hit.folder.path.rpartition("/")[2])
    parts = ([leaf], [leaf, hit.row.chain], [path], [path, hit.row.chain]) if path else ([hit.row.chain],)
    for words in parts:
        yield "-".join([kind, *filter(None, words)])[:64]
    number = 2
    while True:
        yield f"{kind}-{number}"
        number += 1


def _slug(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")[:40]


def _settings(hit: _Hit) -> CheckSettings:
    folder = hit.folder
    writes = hit.row.writes(folder) if callable(hit.row.writes) else hit.row.writes
    given = {
        "cwd": folder.path,
        "writes": [folder.at(glob) for glob in writes],
        "sarif": _REPORT if _REPORT in hit.argv else "",
    }
    return CheckSettings.model_validate(
        {"argv": list(hit.argv)} | {key: value for key, value in given.items() if value}
    )


def _findings(row: Row) -> frozenset[int]:
    if row.findings is not None:
        return row.findings
    return _FINDINGS if row.kind in {"lint", "types", "security"} else _NO_FINDINGS
