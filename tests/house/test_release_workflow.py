"""The release: its tag, its workflow, and the files that it publishes."""

import hashlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.mark.parametrize(
    ("tag", "heading", "wanted"),
    [
        ("v1.2.3", "## 1.2.3 (2026-12-01)", []),
        (
            "v1.2.4",
            "## 1.2.3 (2026-12-01)",
            ["The tag is v1.2.4, and pyproject.toml has version 1.2.3: expected v1.2.3"],
        ),
        (
            "v1.2.3",
            "## 1.2.3 (unreleased)",
            ["CHANGELOG.md needs a section '## 1.2.3 (date)'; it has: ## 1.2.3 (unreleased)"],
        ),
        ("v1.2.3", "## 1.2.30 (2026-12-01)", ["CHANGELOG.md needs a section '## 1.2.3 (date)'; it has: none"]),
    ],
)
def test_a_tag_publishes_the_version_that_the_changelog_describes(
    script: Any, tag: str, heading: str, wanted: list[str]
) -> None:
    assert script("release").faults_of(tag, "1.2.3", f"# Changes\n\n{heading}\n\n- x\n") == wanted


@pytest.fixture(scope="module")
def workflow(root: Path) -> dict[Any, Any]:
    text = (root / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_only_commands_of_this_repository_that_exist(root: Path, workflow: dict[Any, Any]) -> None:
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines() if line]
    ours = [words for words in map(shlex.split, lines) if words[0] in {"bash", "python", "python3"}]

    assert [words[1] for words in ours if words[1] != "-m"] == [
        "scripts/release.py",
        ".ci/run",
        "scripts/check_wheel.py",
        "scripts/release.py",
    ]
    for words in ours:
        if words[1] != "-m":
            assert (root / words[1]).is_file()
            text = (root / words[1]).read_text(encoding="utf-8")
            assert all(option in text for option in words[2:] if option.startswith("--")), words
    assert {words[0] for words in map(shlex.split, lines)} == {
        "bash",
        "python",
        "python3",
        "uv",
        "gh",
        "echo",
        "tar",
        "./mcp-publisher",
    }


def test_nothing_is_published_without_a_tag_the_checks_and_the_other_systems(workflow: dict[Any, Any]) -> None:
    jobs = workflow["jobs"]

    assert workflow[True]["push"]["tags"] == ["v*"], "YAML reads the key on as true"
    for name in ("attest", "publish"):
        assert jobs[name]["if"] == "startsWith(github.ref, 'refs/tags/')"
    needed = {name: job.get("needs") for name, job in jobs.items()}
    assert needed == {
        "checks": None,
        "tries": None,
        "build": ["checks", "tries"],
        "attest": "build",
        "publish": "attest",
        "page": "publish",
        "registry": "page",
    }
    published = [name for name, job in jobs.items() if "publish" in json.dumps(job["steps"])]
    assert published == ["publish", "registry"]


def test_what_is_published_is_built_where_no_test_and_no_dependency_ran(workflow: dict[Any, Any]) -> None:
    run = [step["run"] for step in workflow["jobs"]["build"]["steps"] if "run" in step]

    assert run == [
        "python -m pip install -q --require-hashes -r .github/tools.txt",
        "python3 scripts/release.py --out dist",
    ]
    assert "dist/SHA256SUMS" in json.dumps(workflow["jobs"]["attest"]["steps"])


def test_no_job_has_a_stored_password_and_few_may_write(workflow: dict[Any, Any]) -> None:
    assert "secrets." not in json.dumps(workflow)
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert allowed == {
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"contents": "read", "id-token": "write"},
        "page": {"contents": "write"},
        "registry": {"contents": "read", "id-token": "write"},
    }
    assert any("--trusted-publishing always" in step.get("run", "") for step in steps(workflow))


@pytest.mark.parametrize("name", ["mutants", "places", "release", "scan"])
def test_every_action_is_named_by_its_commit_and_every_tool_by_its_hash(root: Path, name: str) -> None:
    text = (root / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    document: dict[Any, Any] = yaml.safe_load(text)
    used = [step["uses"] for step in steps(document) if "uses" in step]

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []
    for line in (line for step in steps(document) for line in step.get("run", "").splitlines()):
        assert "pip install" not in line or "--require-hashes" in line, line
        assert "releases/latest" not in line
    assert "gh release download" not in text or "sha256sum --check --strict" in text


def test_every_range_of_a_dependency_has_an_end(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]

    assert [each for each in ranges if "<" not in each] == ["cryptography>=45"], "pyproject.toml says why it has none"


def test_a_release_says_what_it_was_tried_with_what_it_contains_and_its_checksums(
    root: Path, script: Any, tmp_path: Path
) -> None:
    made = {each.name: each for each in script("release").built(tmp_path / "dist")}

    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert sorted(made) == sorted(
        [
            "SHA256SUMS",
            "constraints.txt",
            "wfe-mcp.cdx.json",
            f"wfe-mcp-{version}.mcpb",
            f"wfe_mcp-{version}-py3-none-any.whl",
            f"wfe_mcp-{version}.tar.gz",
        ]
    )
    pins = script("pins").pins_in((root / "pyproject.toml").read_text(encoding="utf-8"))
    constraints = made["constraints.txt"].read_text(encoding="utf-8").splitlines()
    assert {"mcp", "anthropic", "openai"} <= {line.partition("==")[0] for line in constraints}
    assert {line.partition(" ;")[0] for line in constraints} <= {pin.partition(" ;")[0] for pin in pins}
    contents = json.loads(made["wfe-mcp.cdx.json"].read_text(encoding="utf-8"))
    assert contents["bomFormat"] == "CycloneDX"
    assert {"mcp", "anthropic", "openai"} <= {each["name"] for each in contents["components"]}
    for line in made["SHA256SUMS"].read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(made[name].read_bytes()).hexdigest() == digest
