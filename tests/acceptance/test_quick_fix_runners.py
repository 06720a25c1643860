"""quick_fix outside Python: the ids and the test files of node:test, vitest, mocha, cargo and go, with the check that ``init`` found."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.packages import has_program
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workspace.config.checks import CheckSettings


@dataclass(frozen=True)
class Runner:
    """A project with a bug. ``names``: spellings of the id of the test that shows it, in ``test``."""

    program: str
    check: CheckSettings
    files: dict[str, str]
    source: tuple[str, str]
    test: tuple[str, str]
    names: tuple[str, ...]


NODE = Runner(
    "node",
    CheckSettings(
        argv=["node", "--test", "--test-reporter=junit", "--test-reporter-destination=report.xml"], junit="report.xml"
    ),
    {"package.json": '{"type": "module"}\n', "slug.js": "export const slug = (text) => text;\n"},
    ("slug.js", "export const slug = (text) => text.replaceAll('.', '-');\n"),
    (
        "test/slug.test.js",
        "import test from 'node:test';\nimport assert from 'node:assert';\nimport { slug } from '../slug.js';\n\n"
        "test('dots become dashes', () => assert.equal(slug('v1.2'), 'v1-2'));\n",
    ),
    ("dots become dashes",),
)
CARGO = Runner(
    "cargo",
    CheckSettings(argv=["cargo", "test", "--offline"], env=["CARGO_HOME", "RUSTUP_HOME"]),
    {
        "Cargo.toml": '[package]\nname = "slug"\nversion = "0.1.0"\nedition = "2021"\n',
        ".gitignore": "target/\nCargo.lock\n",
        "src/lib.rs": "pub fn slug(text: &str) -> String {\n    text.to_string()\n}\n",
    },
    ("src/lib.rs", "pub fn slug(text: &str) -> String {\n    text.replace('.', \"-\")\n}\n"),
    (
        "tests/slug.rs",
        'mod dots {\n    #[test]\n    fn become_dashes() {\n        assert_eq!(slug::slug("v1.2"), "v1-2");\n    }\n}\n',
    ),
    ("dots::become_dashes", "become_dashes"),
)
GO = Runner(
    "go",
    CheckSettings(argv=["go", "test", "./..."]),
    {
        "go.mod": "module example.com/slug\n\ngo 1.19\n",
        "slug.go": "package slug\n\nfunc Slug(text string) string { return text }\n",
    },
    (
        "slug.go",
        'package slug\n\nimport "strings"\n\nfunc Slug(text string) string { return strings.ReplaceAll(text, ".", "-") }\n',
    ),
    (
        "slug_test.go",
        'package slug\n\nimport "testing"\n\nfunc TestDots(t *testing.T) {\n\tif Slug("v1.2") != "v1-2" {\n\t\tt.Fail()\n\t}\n}\n',
    ),
    ("TestDots",),
)
PYTHON = Runner(
    sys.executable,
    CheckSettings(argv=[sys.executable, "-m", "pytest", "-q"]),
    {
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = ['--disable-plugin-autoload']\n",
        "slug.py": "def slug(text):\n    return text\n",
        "tests/test_more.py": "def test_nothing():\n    pass\n",
    },
    ("slug.py", "def slug(text):\n    return text.replace('.', '-')\n"),
    ("tests/test_slug.py", "from slug import slug\n\n\ndef test_dots():\n    assert slug('v1.2') == 'v1-2'\n"),
    ("tests/test_slug.py::test_dots",),
)
NODE_MORE = {"test/more.test.js": "import test from 'node:test';\ntest('nothing', () => {});\n"}
VITEST_MORE = {"test/more.test.js": "import { test } from 'vitest';\ntest('nothing', () => {});\n"}
MOCHA_MORE = {"test/more.test.js": "it('nothing', () => {});\n"}
VITEST = replace(
    NODE,
    program="npx",
    files={
        "slug.js": NODE.files["slug.js"],
        "package.json": '{"type": "module", "devDependencies": {"vitest": "*"}}\n',
        ".gitignore": "node_modules\n",
    }
    | VITEST_MORE,
    test=(
        "test/slug.test.js",
        "import { expect, test } from 'vitest';\nimport { slug } from '../slug.js';\n\n"
        "test('dots become dashes', () => expect(slug('v1.2')).toBe('v1-2'));\n",
    ),
)
MOCHA = replace(
    NODE,
    program="npx",
    files={
        "slug.js": NODE.files["slug.js"],
        "package.json": '{"type": "module", "devDependencies": {"mocha": "*"}}\n',
        ".gitignore": "node_modules\n",
    }
    | MOCHA_MORE,
    test=(
        "test/slug.test.js",
        "import assert from 'node:assert';\nimport { slug } from '../slug.js';\n\n"
        "it('dots become dashes', () => assert.equal(slug('v1.2'), 'v1-2'));\n",
    ),
)
FOUND = [
    pytest.param(PYTHON, "", id="pytest"),
    pytest.param(
        replace(
            NODE,
            files=NODE.files | NODE_MORE | {"package.json": '{"type": "module", "scripts": {"test": "node --test"}}\n'},
        ),
        "",
        id="node:test",
    ),
    pytest.param(VITEST, "vitest", id="vitest"),
    pytest.param(MOCHA, "mocha", id="mocha"),
    pytest.param(replace(CARGO, files=CARGO.files | {"tests/more.rs": "#[test]\nfn nothing() {}\n"}), "", id="cargo"),
    pytest.param(
        replace(
            GO,
            files=GO.files
            | {"more_test.go": 'package slug\n\nimport "testing"\n\nfunc TestNothing(t *testing.T) {}\n'},
        ),
        "",
        id="go",
    ),
]
CASES = [
    pytest.param(runner, name, id=f"{runner.program}-{name}") for runner in (NODE, CARGO, GO) for name in runner.names
]


def project(folder: Path, runner: Runner, *, with_check: bool = True) -> Playground:
    if not has_program(runner.program):
        pytest.skip(f"{runner.program} is not installed here")
    return Playground(folder, files=runner.files, checks={"test": runner.check} if with_check else {})


def init(made: Playground) -> dict[str, Any]:
    """Let ``wfe-mcp init`` find the check; the answer."""
    command = [sys.executable, "-m", "wfe_mcp", "init", "--yes", "--pin-fd", "0", "--json", "--project", str(made.root)]
    env = made.environment | {name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
    done = subprocess.run(
        command, cwd=made.root, env=env, input="correct horse", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["data"]


@pytest.mark.parametrize(("runner", "name"), CASES)
def test_a_bug_is_proved_by_its_test(tmp_path: Path, runner: Runner, name: str) -> None:
    with project(tmp_path, runner) as made:
        prove(made, runner, name)


UVU = """
import pathlib, re, sys
names = re.findall(r"expects '([^']+)' in (\\S+)", pathlib.Path("test.js").read_text())
bad = [name for name, text in names if text not in pathlib.Path("slug.js").read_text()]
print("test.js ", *("x" if name in bad else "." for name, _ in names), f" ({len(names) - len(bad)} / {len(names)})")
for name in bad:
    print(f'   FAIL  "{name}"\\n    Expected values to be equal\\n    at Object.is ({pathlib.Path("test.js").resolve()}:1:9)')
print(f"  Total:     {len(names)}\\n  Passed:    {len(names) - len(bad)}\\n  Skipped:   0\\nnpm notice a new version of npm")
sys.exit(bool(bad))
"""
"""Reports as uvu does: the names of failing tests, in quotes, and none of those that pass."""


def test_a_runner_that_names_no_test_proves_it_by_the_submitted_file_at_once(tmp_path: Path) -> None:
    files = {"check.py": UVU, "slug.js": "keep\n", "test.js": "expects 'keeps words' in keep\n"}
    proof = {
        "test": "dots become dashes",
        "file": "test.js",
        "why": "slug() keeps dots",
        "expected": "v1-2",
        "actual": "v1.2",
    }
    script: Script = {
        "reproduce": [Work(proof, {"test.js": f"{files['test.js']}expects 'dots become dashes' in replace\n"})],
        "fix": [Work({"summary": "Dots become dashes", "files": ["slug.js"]}, {"slug.js": "keep replace\n"})],
    }
    checks = {"test": CheckSettings(argv=[sys.executable, "check.py"])}
    with Playground(tmp_path, files=files, checks=checks) as made, made.agent() as agent:
        played = drive(agent.call, made.root, "quick_fix", {"problem": "dots stay"}, script, person=made.approve)
        assert (played.codes, played.last["run_state"]) == (["needs_human"], "completed"), played.steps


@pytest.mark.parametrize(("runner", "package"), FOUND)
def test_a_bug_is_proved_with_the_check_that_init_found(
    tmp_path: Path, runner: Runner, package: str, request: pytest.FixtureRequest
) -> None:
    packages = request.getfixturevalue("node_packages") if package else None
    with project(tmp_path, runner, with_check=False) as made:
        if packages is not None:
            (made.root / "node_modules").symlink_to(packages, target_is_directory=True)
        found = init(made)
        assert "test" in found["checks"], found
        prove(made, runner, runner.names[0])


def prove(made: Playground, runner: Runner, name: str) -> None:
    """Play quick_fix: a test that does not fail and a fix that changes nothing are refused, the real ones pass."""
    proof: dict[str, Any] = {
        "test": name,
        "file": runner.test[0],
        "why": "slug() keeps dots",
        "expected": "v1-2",
        "actual": "v1.2",
    }
    change = {"summary": "slug() turns dots into dashes", "files": [runner.source[0]]}
    script: Script = {
        "reproduce": [Work(proof | {"test": f"{name} twice"}, dict([runner.test])), Work(proof)],
        "fix": [Work(change), Work(change, dict([runner.source]))],
    }

    with made.agent() as agent:
        problem = {"problem": "slug('v1.2') gives 'v1.2'; it should give 'v1-2'."}
        played = drive(agent.call, made.root, "quick_fix", problem, script, person=made.approve)

        refused = [
            answer["error"]["message"] for _, answer in played.steps if "gate_failed" in str(answer.get("error"))
        ]
        assert played.last["run_state"] == "completed"
        assert len(refused) == 2
        assert "is not among the failing tests (did you mean" in refused[0]
        assert "changed since the run started, but no file outside" in refused[1]
