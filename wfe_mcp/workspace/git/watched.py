"""The files that say what a check runs: by name, whichever runner reads them.

    in the tree      they count as every file does; the decision view names those that changed
    ignored by git   they are *watched*: their content is bound to the tree, though they are no part of it

Rules:
1. ``WATCHED`` is the one table. What is watched and what the decision view calls unusual both come from it.
2. Folders of dependencies and build output are not searched: tools rewrite them. Of an environment, what Python runs at
   its start is watched.
3. Bytecode that Python would run though its source says something else is watched: hash-based, without a source beside it,
   or stale: its source changed after it was written, and has the size and the time of before. So is a compiled module that
   is loaded in place of its source.
"""

import os
import re
import sys
from functools import lru_cache
from typing import Literal, NamedTuple

from wfe_mcp.core.units import word_set, words
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.file_facts import CTIME_NS, MTIME_NS, SIZE, Signature

_SCRIPTS = ("js", "cjs", "mjs", "ts", "cts", "mts", "jsx", "tsx")

WATCHED = {
    "Python, when it starts": ("*.pth", "sitecustomize.*", "usercustomize.*", "pyvenv.cfg"),
    "pytest and other Python runners": words(
        """
        conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini tox.toml setup.cfg
        setup.py pyproject.toml noxfile.py .coveragerc.toml uv.toml pdm.toml poetry.toml hatch.toml pixi.toml Pipfile
        entry_points.txt
        """  # the last: of a *.egg-info in the folder of the check, whose plugins `python -m pytest` loads
    ),
    "JavaScript package managers": words(
        """
        package.json .yarnrc.yml .pnpmfile.cjs .pnp.* pnpm-workspace.yaml bunfig.toml deno.json deno.jsonc
        nx.json project.json turbo.json lerna.json
        """
    ),
    "JavaScript test runners": (
        *(
            f"{tool}.{word}.{end}"
            for tool in words(
                """
                ava babel cypress eslint jest karma playwright postcss prettier stylelint vite vitest wdio
                web-test-runner webpack
                """
            )
            for word in ("config", "conf", "workspace", "setup")
            for end in (*_SCRIPTS, "json")
        ),
        "setupTests.*",
        "tsconfig.json",
        "tsconfig.*.json",
        "jsconfig.json",
    ),
    "tools whose file is called after them": (".*rc", ".*rc.*"),
    "make, CMake and task runners": words(
        """
        Makefile makefile GNUmakefile *.mk CMakeLists.txt CMakePresets.json
        CMakeUserPresets.json CTestCustom.cmake justfile Justfile .justfile Taskfile.yml
        Taskfile.yaml meson.build .proverc
        """
    ),
    "Go and Rust": words(
        """
        go.mod go.work Cargo.toml .cargo/config .cargo/config.toml build.rs rust-toolchain rust-toolchain.toml nextest.toml
        """
    ),
    "Java and Kotlin": words(
        """
        pom.xml maven.config jvm.config .mvn/extensions.xml mvnw mvnw.cmd maven-wrapper.* *.gradle *.gradle.kts gradlew
        gradlew.bat gradle-wrapper.* gradle.properties libs.versions.toml junit-platform.properties
        """
    ),
    "Ruby and PHP": words(
        """
        Gemfile Rakefile *.rake .rspec .rspec-local config.ru spec_helper.rb rails_helper.rb test_helper.rb phpunit*.xml
        phpunit.xml.dist composer.json Pest.php
        """
    ),
    ".NET": words(
        """
        *.csproj *.fsproj *.vbproj *.props *.targets *.sln *.slnx *.runsettings global.json xunit.runner.json nuget.config
        NuGet.config
        """
    ),
    "Elixir, Dart, Swift, Scala and Haskell": words(
        """
        mix.exs .formatter.exs .credo.exs test_helper.exs config.exs test.exs runtime.exs pubspec.yaml pubspec_overrides.yaml
        dart_test.yaml analysis_options.yaml flutter_test_config.dart Package.swift *.sbt build.properties stack.yaml
        cabal.project *.cabal
        """
    ),
    "linters, checkers of types and scanners": words(
        """
        ruff.toml .ruff.toml .flake8 pylintrc mypy.ini .mypy.ini pyrightconfig.json ty.toml .bandit .eslintignore
        .prettierignore biome.json biome.jsonc clippy.toml .clippy.toml rustfmt.toml .rustfmt.toml deny.toml .golangci.*
        .rubocop.yml .rubocop_todo.yml sorbet/config Steepfile phpcs.xml* .phpcs.xml* .php-cs-fixer.* phpstan*.neon*
        psalm.xml* .editorconfig .semgrepignore .semgrep.yml .gitleaks.toml .gitleaksignore .trivyignore* trivy.yaml
        """
    ),
    "forges, and what runs before a commit": words(
        """
        .gitlab-ci*.yml .travis.yml .drone.yml .woodpecker.y* azure-pipelines*.y* bitbucket-pipelines.yml Jenkinsfile CODEOWNERS
        .pre-commit-config.yaml lefthook*.y*
        """
    ),
    "programs that load variables or choose a version": words(
        ".env .env.* .tool-versions mise.toml .mise.toml .python-version .node-version .ruby-version"
    ),
    "test runners, as tests": (
        "test_*.py",
        "*_test.py",
        *(f"*.{word}.{end}" for word in ("test", "spec") for end in _SCRIPTS),
        "*_test.go",
        "*_spec.rb",
        "*_test.rb",
        "*Test.php",
        "*.bats",
    ),
}
"""Names of files by what reads them; ``*`` stands for any characters."""

TESTS = words(
    """
    **/tests/** **/test/** **/__tests__/** **/e2e/** **/*Test/** **/*.Tests/** **/spec/**/*.rb **/*_test.* **/*.test.* **/*.spec.*
    """
)
"""Globs of what only counts in the tree, as the names below do: tests, and the files beside them, which runs may write where git
ignores them.
"""
_TEST_NAMES = re.compile(
    r"tests\.(py|rs)|(test|test-.*|.*-test)\.[cm]?[jt]sx?|.*[a-z](Tests?|Spec)\.\w+|.*[a-z]IT\.java|.*\.(feature|t)",
    re.DOTALL,
)

_ALSO = (
    ".wfe/config.toml",
    "**/*.cmake",
    *(
        f"**/{folder}/**"
        for folder in words(
            ".github/workflows .github/actions .gitlab .forgejo .gitea .circleci .buildkite .woodpecker .husky"
        )
    ),
)
BESIDES_CHECKS = {
    "A client or an editor may start what is named there.": words(
        "**/.mcp.json **/.claude/** **/.codex/** **/.gemini/** **/.cursor/** **/.vscode/** **/.devcontainer/**"
    ),
    "It is said there which files count, and how git stores them.": words(
        "**/.gitignore **/.gitattributes **/.gitmodules"
    ),
}
"""Globs of what else acts without being read, by what it does: as a sentence of the decision."""
_AT_START = WATCHED["Python, when it starts"][:3]
_OF_ENVIRONMENTS = frozenset({"site-packages", "dist-packages"})
_DEPENDENCIES = word_set(
    """
    node_modules bower_components jspm_packages __pypackages__ vendor Pods .yarn .pnpm-store .gradle .m2
    .cargo-home .bundle .git .hg .svn
    """
)
_OUTPUT = word_set(
    """
    build dist out target bin obj coverage htmlcov test-results playwright-report .next .nuxt .svelte-kit
    .turbo .cache .parcel-cache .eggs .mypy_cache .ruff_cache .hypothesis .ipynb_checkpoints
    """
)


def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names if "*" in name), re.DOTALL)


_TESTS = "test runners, as tests"
_TEST = _pattern(WATCHED[_TESTS])
_SET_UP = tuple(name for reader, names in WATCHED.items() if reader != _TESTS for name in names)
_EXACT = frozenset(name for name in _SET_UP if "*" not in name)
_PATTERNS = {
    names: (_pattern(names), _pattern(tuple(name.casefold() for name in names))) for names in (_SET_UP, _AT_START)
}
_EXACT_FOLDED = frozenset(name.casefold() for name in _EXACT)
_LIBRARY = re.compile(r"(python|pypy)\d+(\.\d+)?t?")

_COMPILED = (".so", ".pyd")
"""Endings of modules that Python loads in place of a source beside them. Not ``.js``: compilers of TypeScript write it there."""

_DATA = frozenset(
    words(
        """
        .csv .dat .gif .html .info .jpeg .jpg .json .jsonl .lcov .log .md .out .png .sarif .tap .toml .trx .txt .webp .xml .yaml .yml
        """
    )
)
_OURS = re.compile(
    r"""\.gitignore | config\.toml | approvers\.json | report-[^/]+ | \.wfe-new-[^/]+ | approvals/.+
    | runs/\.project | runs/[^/]+/[^/]+/\d+/((prompt|feedback)\.md | artifact\.\w+ | \.wfe-new-[^/]+ | (context|evidence|manual)/.+)""",
    re.VERBOSE,
)

_ARTIFACT = re.compile(r"runs/[^/]+/[^/]+/\d+/artifact/.+")


def is_of_wfe(path: str) -> bool:
    """True for the path of a file, below ``.wfe``, that wfe-mcp writes itself: by its place and by its kind.

    What else lies there is watched: a check may read it as any other file. The files of an artifact are of any kind; what
    is added to or changed in their folder is an edit of the artifact, which is judged and asked about.
    """
    if _ARTIFACT.fullmatch(path) is not None:
        return not is_named("project", "", path.rpartition("/")[2])
    return _OURS.fullmatch(path) is not None and _is_data(path)


def is_draft(path: str) -> bool:
    """True for data in the project's ``.wfe`` folder, as agents put it there to submit it: bound, but no change of the project."""
    return path.startswith(".wfe/") and _is_data(path)


def _is_data(path: str) -> bool:
    name = path.rpartition("/")[2]
    is_data = name in {".gitignore", ".project"} or os.path.splitext(name)[1] in _DATA  # noqa: PTH122 - many, at each look
    return is_data and not is_named("project", "", name)


Zone = Literal["project", "site", "library", "others"]
"""Where a folder lies: the project's own, the packages of an environment, Python's own library, or what is not searched."""


def zone_of(above: Zone, parent: str, name: str) -> Zone:
    """The zone of the folder ``name`` in the folder ``parent``, whose zone is ``above``."""
    if above != "others" and name in _OF_ENVIRONMENTS:
        return "site"
    if above == "site":
        return "site" if parent in _OF_ENVIRONMENTS and name in {"sitecustomize", "usercustomize"} else "others"
    if above != "project" or name in _DEPENDENCIES or name in _OUTPUT or (parent == ".wfe" and name == "runs"):
        return "others"
    return "library" if parent in {"lib", "lib64"} and _LIBRARY.fullmatch(name) else "project"


@lru_cache(100_000)
def is_named(zone: Zone, parent: str, name: str) -> bool:
    """True for a file to watch where git ignores it; of bytecode its content decides (``decides_alone``), of a compiled
    module whether its source is there (``is_compiled``).
    """
    if zone == "project":
        return name.endswith((".pyc", *_COMPILED)) or _is_read(name, parent)
    if zone == "site":
        return _matches(name, _AT_START) or (parent not in _OF_ENVIRONMENTS and name.startswith("__init__."))
    return False


def _is_read(name: str, parent: str) -> bool:
    return _sets_up(name) or f"{parent}/{name}" in _EXACT or _TEST.fullmatch(name) is not None


def _sets_up(name: str) -> bool:
    return name in _EXACT or _matches(name, _SET_UP) or (_folds() and name.casefold() in _EXACT_FOLDED)


def _matches(name: str, names: tuple[str, ...]) -> bool:
    exact, folded = _PATTERNS[names]
    return exact.fullmatch(name) is not None or (_folds() and folded.fullmatch(name.casefold()) is not None)


def _folds() -> bool:
    """Whether a runner finds its file in any letters: pytest opens ``CONFTEST.py`` where the disk ignores case."""
    return os.name == "nt" or sys.platform == "darwin"


def decides_alone(header: bytes, *, is_cached: bool, has_source: bool) -> bool:
    """True for bytecode that Python runs whatever the source says: hash-based, or the only file of its module.

    ``header``: the first 8 bytes. ``is_cached``: it lies in ``__pycache__``, where Python reads it beside a source only.
    """
    if len(header) == 8 and header[4] & 1:
        return True
    return not is_cached and not has_source


class Header(NamedTuple):
    """The header of bytecode that compares times. ``mtime``: of its source, whole seconds; ``size``: of its source, bytes."""

    mtime: int
    size: int


def header_of(content: bytes) -> Header | None:
    """The header in the first 16 bytes of bytecode; None for bytecode of another kind, and for what is too short."""
    if len(content) < 16 or content[4:8] != bytes(4):
        return None
    return Header(int.from_bytes(content[8:12], "little"), int.from_bytes(content[12:16], "little"))


def source_of(path: str) -> str:
    """The source of bytecode or of a compiled module: ``a/b.py`` of ``a/__pycache__/b.cpython-312.pyc`` and of ``a/b.abi3.so``."""
    folder, _, name = path.rpartition("/")
    above = folder if is_compiled(path) else folder.rpartition("/")[0]
    return f"{above}/{name.partition('.')[0]}.py".lstrip("/")


def is_compiled(path: str) -> bool:
    """True for a compiled module of Python, which is watched where its source (``source_of``) is in the tree."""
    return path.endswith(_COMPILED)


def is_stale(header: Header, cached: Signature, source: Signature) -> bool:
    """True where Python takes the bytecode for that of ``source``, which was changed after it was written."""
    limit = 0xFFFFFFFF
    seconds, rest_ns = divmod(source[MTIME_NS], 1_000_000_000)
    # As Python reads it: a float, which may round up to the next second.
    is_taken = (int(seconds + 1e-9 * rest_ns) & limit, source[SIZE] & limit) == header
    return is_taken and source[CTIME_NS] > cached[CTIME_NS]


def is_of_environment(path: str) -> bool:
    """True for what an installation of dependencies writes."""
    folders = path.split("/")
    return folders[-1] == "pyvenv.cfg" or not _OF_ENVIRONMENTS.isdisjoint(folders[:-1])


def is_test(path: str) -> bool:
    """True for a test, or a file in a folder of tests; not for what sets up or configures the runner."""
    name = path.rpartition("/")[2]
    is_set_up = _sets_up(name) or match_globs(path, _ALSO)
    return not is_set_up and (_TEST.fullmatch(name) is not None or _is_among_tests(path, name))


def defines_checks(path: str) -> bool:
    """True for a file, ignored or not, that says what a check runs or looks at."""
    folder, _, name = path.rpartition("/")
    return _is_read(name, folder.rpartition("/")[2]) or match_globs(path, _ALSO) or _is_among_tests(path, name)


def _is_among_tests(path: str, name: str) -> bool:
    return _TEST_NAMES.fullmatch(name) is not None or match_globs(path, TESTS)
