"""The table of the checks that a project of each kind has."""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

from wfe_mcp.workspace.discovery import language_checks as python, node_checks as node
from wfe_mcp.workspace.discovery.findings import declared_tasks
from wfe_mcp.workspace.discovery.project_listing import Folder, table

Kind = Literal["test", "build", "lint", "types", "security"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FINDINGS = frozenset({1})
NO_FINDINGS = frozenset[int]()
Condition = Callable[[Folder], bool]
Command = Callable[[Folder], Sequence[str] | None]


class OfferedCheck(NamedTuple):
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


def mentions(pattern: str, *names: str) -> Condition:
    """A line of one of these files matches."""
    return lambda folder: folder.mentions(pattern, *names)


def below(name: str, *patterns: str) -> Condition:
    """There is such a file below ``name``."""
    return lambda folder: folder.has_below(name, *patterns)


def both(*conditions: Condition) -> Condition:
    """All of the conditions hold."""
    return lambda folder: all(condition(folder) for condition in conditions)


def either(*conditions: Condition) -> Condition:
    """One of the conditions holds."""
    return lambda folder: any(condition(folder) for condition in conditions)


def lacks(condition: Condition) -> Condition:
    """The condition does not hold."""
    return lambda folder: not condition(folder)


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


def _wrapper_command(wrapper: str, windows: str, program: str, arguments: str) -> Command:
    """A build tool by the project's own wrapper, else the one on PATH."""

    def command(folder: Folder) -> list[str]:
        own = windows if folder.listing.windows else wrapper
        level = next((level for level, place in enumerate(folder.upwards()) if place.has(own)), None)
        return [program if level is None else f"{'../' * level or './'}{own}", *arguments.split()]

    return command


def _bundled_command(program: str) -> Command:
    return lambda folder: [*(["bundle", "exec"] if folder.has("Gemfile") else []), *program.split()]


def _composer(*names: str) -> Command:
    def command(folder: Folder) -> list[str] | None:
        scripts = table(folder.json("composer.json"), "scripts")
        script = next((name for name in names if name in scripts), None)
        return ["composer", "run-script", script] if script else None

    return command


def _task(*names: str) -> Command:
    """A declared task of one of these names, of a runner that is on PATH where there is one."""

    def command(folder: Folder) -> list[str] | None:
        commands = [task.value.split() for task in declared_tasks(folder)]
        runs = [
            words
            for name in names
            for words in commands
            if words[0] in TASK_RUNNERS and re.sub(r":(?:all|check|run)$", "", words[-1]).split(":")[-1] == name
        ]
        return next((words for words in runs if folder.listing.installed(words[0])), runs[0] if runs else None)

    return command


def _cargo(command: str, arguments: str = "") -> Command:
    """A command for all packages of a workspace: beside a package of its own, cargo takes only that one otherwise."""

    def of_all(folder: Folder) -> list[str]:
        file = folder.toml("Cargo.toml")
        is_partial = "package" in file and "workspace" in file and "default-members" not in table(file, "workspace")
        return ["cargo", command, *["--workspace"] * is_partial, *arguments.split()]

    return of_all


def _maven(arguments: str) -> Command:
    return _wrapper_command("mvnw", "mvnw.cmd", "mvn", f"-B {arguments}")


def _gradle(arguments: str) -> Command:
    return _wrapper_command("gradlew", "gradlew.bat", "gradle", f"--console=plain {arguments}")


def is_swift_package(folder: Folder) -> bool:
    """Whether the folder lies in a Swift package that CMake can build, too: the package's own commands do."""
    speaks_swift = mentions(r"LANGUAGES\b[^)]*\bSwift\b", "CMakeLists.txt")
    return any(place.has("Package.swift") and speaks_swift(place) for place in folder.upwards())


_GRADLE_FILES = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_is_multiplatform = mentions(r"(?i)multiplatform", *_GRADLE_FILES)
"""Kotlin's plug-in of this name has no task ``test``: each target has its own, and ``allTests`` runs them."""
_DOTNET_FILES = ("*.sln", "*.slnx", "*.csproj", "*.fsproj", "*.vbproj")
_ESLINT = ("eslint.config.*", ".eslintrc", ".eslintrc.*")
_DENO_FILES = ("deno.json", "deno.jsonc")
_RUBY_TESTS = "Dir.glob('./test/**/*_test.rb').sort.each { |file| require file }"
_CTEST = 'ctest --build-and-test . build --build-generator "Unix Makefiles" --build-noclean'
TASKS = "task"
"""The chain of declared tasks. For tests, the tool's own command comes first: the server reads the tests by name from it."""
TASK_RUNNERS = frozenset({"just", "make", "task", "mise", "poe", "pdm", "hatch", "nox", "tox", "deno"})
SCRIPTS = frozenset({"npm", "pnpm", "yarn", "bun", "composer"})
"""Programs whose commands are declared tasks, too, which rows of their own find."""
_TASK_FINDINGS = frozenset({1, 2, 201})
"""make ends with 2 and Task with 201 where a command of theirs fails."""
_NODE_RUNNERS = ("@playwright/test", "cypress", "ava", "tap", "tape", "jasmine", "karma", "uvu")


def _no_runner(folder: Folder) -> bool:
    """The package has no runner whose files only look like those of ``node --test``."""
    return not node.depends_on(folder, *_NODE_RUNNERS)


def _has_deno_tests(folder: Folder) -> bool:
    """There are files that ``deno test`` runs, and no task that names the permissions which they need."""
    has_task = any("test" in table(folder.json(name), "tasks") for name in _DENO_FILES)
    named = ("*_test.ts", "*_test.js", "*.test.ts", "*.test.js", "test.ts")
    return folder.has(*_DENO_FILES) and not has_task and (folder.has(*named) or folder.has_below("*", *named))


REPORT = ".wfe/report-security.json"
_CODE = (".venv", "venv", "tests", "test", "node_modules")
_is_flutter = mentions(r"^\s+sdk:\s*flutter\b", "pubspec.yaml")
_is_python = has("pyproject.toml", "setup.py", "requirements.txt", "*.py")

ROWS: tuple[OfferedCheck, ...] = (
    OfferedCheck("python", "test", _always, python.pytest_or_unittest, writes=python.coverage_files),
    OfferedCheck("python", "build", _always, python.distribution, writes=("dist/**",)),
    OfferedCheck("python", "lint", _configures("ruff", "ruff.toml", ".ruff.toml"), _python_tool("ruff", "check", ".")),
    OfferedCheck("python", "lint", _configures("flake8", ".flake8"), _python_tool("flake8")),
    OfferedCheck(
        "python",
        "lint",
        _configures("pylint", ".pylintrc", "pylintrc"),
        _python_tool("pylint", "--recursive=y", "."),
        frozenset(range(1, 32)),
    ),
    OfferedCheck("python", "types", _configures("mypy", "mypy.ini", ".mypy.ini"), python.mypy),
    OfferedCheck("python", "types", _configures("pyright", "pyrightconfig.json"), _python_tool("pyright")),
    OfferedCheck("python", "types", _configures("basedpyright"), _python_tool("basedpyright")),
    OfferedCheck("python", "types", _configures("ty", "ty.toml"), _python_tool("ty", "check")),
    OfferedCheck("node", "test", _always, _script("test", "test:unit", "unit")),
    OfferedCheck("node", "test", _depends("vitest"), _node_tool("vitest", "run")),
    OfferedCheck("node", "test", _depends("jest"), _node_tool("jest")),
    OfferedCheck("node", "test", _depends("mocha"), _node_tool("mocha")),
    OfferedCheck("node", "test", both(has("bun.lock", "bun.lockb"), node.has_test_files), "bun test"),
    OfferedCheck("node", "test", both(has("package.json"), node.has_test_files, _no_runner), "node --test"),
    OfferedCheck("node", "build", _always, _script("build", "compile")),
    OfferedCheck("node", "lint", _always, _script("lint", "lint:check", "eslint")),
    OfferedCheck("node", "lint", both(has(*_ESLINT), _depends("eslint")), _node_tool("eslint", ".")),
    OfferedCheck(
        "node", "lint", both(has("biome.json", "biome.jsonc"), _depends("@biomejs/biome")), _node_tool("biome", "check")
    ),
    OfferedCheck("node", "lint", _depends("oxlint"), _node_tool("oxlint")),
    OfferedCheck(
        "node",
        "types",
        _always,
        _script("typecheck", "type-check", "types", "check-types", "check:types", "types:check", "test:types", "tsc"),
        frozenset({1, 2}),
    ),
    OfferedCheck(
        "node",
        "types",
        both(has("tsconfig.json"), _depends("typescript")),
        _node_tool("tsc", "--noEmit"),
        frozenset({1, 2}),
    ),
    OfferedCheck("rust", "test", has("Cargo.toml"), _cargo("test")),
    OfferedCheck("rust", "build", has("Cargo.toml"), _cargo("build")),
    OfferedCheck("rust", "lint", has("Cargo.toml"), _cargo("clippy", "--all-targets -- -D warnings"), frozenset({101})),
    OfferedCheck("go", "test", has("go.mod"), "go test ./..."),
    OfferedCheck("go", "build", has("go.mod"), "go build ./..."),
    OfferedCheck("go", "lint", has(".golangci.*"), "golangci-lint run"),
    OfferedCheck("go", "lint", has("go.mod"), "go vet ./..."),
    OfferedCheck("maven", "test", has("pom.xml"), _maven("test")),
    OfferedCheck("maven", "build", has("pom.xml"), _maven("-DskipTests package")),
    OfferedCheck("gradle", "test", _is_multiplatform, _gradle("allTests")),
    OfferedCheck("gradle", "test", has(*_GRADLE_FILES), _gradle("test")),
    OfferedCheck("gradle", "build", has(*_GRADLE_FILES), _gradle("assemble")),
    OfferedCheck("gradle", "lint", mentions(r"spotless", *_GRADLE_FILES), _gradle("spotlessCheck")),
    OfferedCheck("gradle", "lint", mentions(r"ktlint", *_GRADLE_FILES), _gradle("ktlintCheck")),
    OfferedCheck("gradle", "lint", mentions(r"detekt", *_GRADLE_FILES), _gradle("detekt")),
    OfferedCheck("ruby", "test", either(has(".rspec"), below("spec", "*_spec.rb")), _bundled_command("rspec")),
    OfferedCheck(
        "ruby", "test", both(below("test", "*_test.rb"), has("config.ru"), below("bin", "rails")), "bin/rails test"
    ),
    OfferedCheck(
        "ruby",
        "test",
        mentions(r"Rake::TestTask|Minitest::TestTask|task[ (]+:?[\"']?test\b", "Rakefile"),
        _bundled_command("rake test"),
    ),
    OfferedCheck(
        "ruby", "test", below("test", "*_test.rb"), shlex.join(["ruby", "-Ilib", "-Itest", "-e", _RUBY_TESTS])
    ),
    OfferedCheck("ruby", "lint", has(".rubocop.yml"), _bundled_command("rubocop")),
    OfferedCheck("ruby", "types", below("sorbet", "config"), _bundled_command("srb tc")),
    OfferedCheck("ruby", "types", has("Steepfile"), _bundled_command("steep check")),
    OfferedCheck("php", "test", has("composer.json"), _composer("test", "phpunit", "tests")),
    OfferedCheck("php", "test", mentions(r"pestphp/pest\"", "composer.json"), "vendor/bin/pest"),
    OfferedCheck("php", "test", has("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"), "vendor/bin/phpunit"),
    OfferedCheck("php", "lint", has("composer.json"), _composer("lint", "cs", "cs-check", "check-style", "phpcs")),
    OfferedCheck(
        "php",
        "lint",
        has("phpcs.xml", "phpcs.xml.dist", ".phpcs.xml", ".phpcs.xml.dist"),
        "vendor/bin/phpcs",
        frozenset({1, 2, 3}),
    ),
    OfferedCheck(
        "php",
        "lint",
        has(".php-cs-fixer.php", ".php-cs-fixer.dist.php"),
        "vendor/bin/php-cs-fixer check",
        frozenset({8}),
    ),
    OfferedCheck(
        "php", "types", has("composer.json"), _composer("phpstan", "stan", "analyse", "analyze", "psalm", "types")
    ),
    OfferedCheck(
        "php",
        "types",
        has("phpstan.neon", "phpstan.neon.dist", "phpstan.dist.neon"),
        "vendor/bin/phpstan analyse --no-progress",
    ),
    OfferedCheck(
        "php", "types", has("psalm.xml", "psalm.xml.dist"), "vendor/bin/psalm --no-progress", frozenset({1, 2})
    ),
    OfferedCheck("dotnet", "test", has(*_DOTNET_FILES), "dotnet test --nologo"),
    OfferedCheck("dotnet", "build", has(*_DOTNET_FILES), "dotnet build --nologo"),
    OfferedCheck(
        "dotnet",
        "lint",
        both(has(*_DOTNET_FILES), has(".editorconfig")),
        "dotnet format --verify-no-changes",
        frozenset({2}),
    ),
    OfferedCheck(
        "cmake",
        "test",
        both(lacks(is_swift_package), mentions(r"(?i)enable_testing|include\s*\(\s*CTest", "CMakeLists.txt")),
        f"{_CTEST} --test-command ctest --output-on-failure",
        writes=("build/**",),
    ),
    OfferedCheck("cmake", "build", both(lacks(is_swift_package), has("CMakeLists.txt")), _CTEST, writes=("build/**",)),
    OfferedCheck("deno", "test", _has_deno_tests, "deno test"),
    OfferedCheck("deno", "lint", has(*_DENO_FILES), "deno lint"),
    OfferedCheck("elixir", "test", has("mix.exs"), "mix test"),
    OfferedCheck("elixir", "build", has("mix.exs"), "mix compile"),
    OfferedCheck("elixir", "lint", mentions(r":credo\b", "mix.exs"), "mix credo", frozenset(range(1, 128))),
    OfferedCheck("elixir", "lint", has(".formatter.exs"), "mix format --check-formatted"),
    OfferedCheck("elixir", "types", mentions(r":dialyxir\b", "mix.exs"), "mix dialyzer", frozenset({2})),
    OfferedCheck("dart", "test", both(_is_flutter, below("test", "*_test.dart")), "flutter test"),
    OfferedCheck("dart", "test", both(has("pubspec.yaml"), below("test", "*_test.dart")), "dart test"),
    OfferedCheck("dart", "lint", _is_flutter, "flutter analyze"),
    OfferedCheck("dart", "lint", has("pubspec.yaml"), "dart analyze", frozenset({1, 2, 3})),
    OfferedCheck("swift", "test", both(has("Package.swift"), below("Tests", "*.swift")), "swift test"),
    OfferedCheck("swift", "build", has("Package.swift"), "swift build"),
    OfferedCheck("scala", "test", has("build.sbt"), "sbt test"),
    OfferedCheck("scala", "build", has("build.sbt"), "sbt compile"),
    OfferedCheck("haskell", "test", has("stack.yaml"), "stack test"),
    OfferedCheck("haskell", "build", has("stack.yaml"), "stack build"),
    OfferedCheck("haskell", "test", has("*.cabal", "cabal.project"), "cabal test all"),
    OfferedCheck("haskell", "build", has("*.cabal", "cabal.project"), "cabal build all"),
    OfferedCheck("perl", "test", below("t", "*.t"), "prove -lr t"),
    OfferedCheck(TASKS, "test", _always, _task("test", "tests", "check")),
    OfferedCheck(TASKS, "build", _always, _task("build", "all")),
    OfferedCheck(TASKS, "lint", _always, _task("lint"), _TASK_FINDINGS),
    OfferedCheck(TASKS, "types", _always, _task("types", "typecheck", "type-check", "mypy"), _TASK_FINDINGS),
    OfferedCheck(
        "security",
        "security",
        both(_is_python, is_installed("bandit")),
        f"bandit -q -r . -x {','.join(f'./{left_out}' for left_out in _CODE)} -f json -o {REPORT}",
    ),
    OfferedCheck(
        "security",
        "security",
        is_installed("semgrep"),
        f"semgrep scan --config auto --error --quiet --sarif --output {REPORT}",
    ),
    OfferedCheck("security", "security", both(_is_python, is_installed("pip-audit")), f"pip-audit -f json -o {REPORT}"),
    OfferedCheck(
        "security", "security", both(has("package-lock.json"), is_installed("npm")), "npm audit --audit-level=high"
    ),
)
"""Tool chains by precedence; within one, the first row of a kind that fits. bandit comes first: it needs no network."""


COVER_BELOW = frozenset({"rust", "maven", "gradle", "dotnet", "cmake", "elixir", "scala", "haskell", TASKS, "security"})
"""Tool chains whose check in a folder covers the folders below it too."""
CHAIN_FILES = {
    "python": ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"),
    "node": ("package.json",),
    "rust": ("Cargo.toml",),
    "go": ("go.mod",),
    "maven": ("pom.xml",),
    "gradle": ("build.gradle", "build.gradle.kts"),
    "ruby": ("Gemfile",),
    "php": ("composer.json",),
    "dotnet": ("*.csproj", "*.fsproj", "*.sln", "*.slnx"),
    "cmake": ("CMakeLists.txt",),
    "deno": _DENO_FILES,
    "elixir": ("mix.exs",),
    "dart": ("pubspec.yaml",),
    "swift": ("Package.swift",),
    "scala": ("build.sbt",),
    "haskell": ("stack.yaml", "cabal.project", "*.cabal"),
}
"""Tool chain → the files by which a folder belongs to it."""
MANIFESTS = (*(name for names in CHAIN_FILES.values() for name in names), *_GRADLE_FILES, "Rakefile", "*.vbproj")

HOMES = {
    "rust": ("CARGO_HOME", "RUSTUP_HOME"),
    "go": ("GOPATH", "GOROOT"),
    "maven": ("JAVA_HOME",),
    "gradle": ("GRADLE_USER_HOME", "JAVA_HOME"),
    "dotnet": ("DOTNET_ROOT",),
    "deno": ("DENO_DIR",),
    "elixir": ("MIX_HOME",),
    "dart": ("FLUTTER_ROOT", "PUB_CACHE"),
    "scala": ("JAVA_HOME",),
    "haskell": ("CABAL_DIR", "STACK_ROOT"),
    "ruby": ("GEM_HOME", "RBENV_ROOT"),
    "node": ("NVM_DIR", "PNPM_HOME"),
    "python": ("PYENV_ROOT",),
}
"""Tool chain → variables that name the folder in which its tools are installed."""

CERTIFICATES = ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""Variables that name the certificates which a network asks for; a tool of any chain may fetch something."""
