"""quick_fix outside Python: the ids and the test files of node:test, cargo and go."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
CASES = [
    pytest.param(runner, name, id=f"{runner.program}-{name}") for runner in (NODE, CARGO, GO) for name in runner.names
]


def project(folder: Path, runner: Runner) -> Playground:
    if shutil.which(runner.program) is None:
        pytest.skip(f"{runner.program} is not installed here")
    return Playground(folder, files=runner.files, checks={"test": runner.check})


@pytest.mark.parametrize(("runner", "name"), CASES)
def test_a_bug_is_proved_by_its_test(tmp_path: Path, runner: Runner, name: str) -> None:
    proof: dict[str, Any] = {
        "test": name, "file": runner.test[0], "why": "slug() keeps dots", "expected": "v1-2", "actual": "v1.2",
    }  # fmt: skip
    change = {"summary": "slug() turns dots into dashes", "files": [runner.source[0]]}
    script: Script = {
        "reproduce": [Work(proof | {"test": f"{name} twice"}, dict([runner.test])), Work(proof)],
        "fix": [Work(change), Work(change, dict([runner.source]))],
    }

    with project(tmp_path, runner) as made, made.agent() as agent:
        problem = {"problem": "slug('v1.2') gives 'v1.2'; it should give 'v1-2'."}
        played = drive(agent.call, made.root, "quick_fix", problem, script, person=made.approve)

        refused = [
            answer["error"]["message"] for _, answer in played.steps if "gate_failed" in str(answer.get("error"))
        ]
        assert played.last["run_state"] == "completed"
        assert len(refused) == 2
        assert "is not among the failing tests; did you mean" in refused[0]
        assert "has changed since the run started" in refused[1]
