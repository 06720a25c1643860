"""The repository contains no registry addresses and no machine-specific paths."""

import re
from pathlib import Path

import pytest


def whole(pieces: str) -> str:
    """The text without its bars: in pieces, so that neither we nor another search finds it in this file."""
    return pieces.replace("|", "")


HOSTS = [
    *("py|pi.org", "python|hosted.org", "npm|js.org", "npm|js.com", "yarn|pkg.com", "crates|.io", "go|proxy.io"),
    *("proxy|.golang.org", "jfrog|.io", "artifact|ory", "nexus|/repository", "devp|i/", "index|-url", "find|-links"),
]
REGISTRY = re.compile(
    "|".join([*(re.escape(whole(host)) for host in HOSTS), r"https?://[^\s\"'<>)]*/simple\b"]), re.IGNORECASE
)

# Where a path begins that is a home or a working folder of one machine: not in the middle of an address or a pointer.
MACHINE = re.compile(r"(?<![\w.:/*}~-])/(?:root|work|Users/\w+|home/(?!me\b|you\b|user\b)\w+)/\w?")


PARTS = {
    REGISTRY: [*(whole(host) for host in HOSTS), "/simple"],
    MACHINE: [f"/{folder}/" for folder in ("root", "work", "users", "home")],
}
"""A text with a place has one of these in it, in lower case: to look for them takes a tenth of the search."""


def places(forbidden: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    """Number and text of each line that names such a place."""
    lower = text.lower()
    if not any(part in lower for part in PARTS[forbidden]):
        return []
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if forbidden.search(line)]


@pytest.mark.parametrize("forbidden", [REGISTRY, MACHINE], ids=["registries", "machines"])
def test_no_file_names_a_place_that_only_some_of_us_have(
    forbidden: re.Pattern[str], repository_files: list[Path], root: Path
) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"
        for path in repository_files
        for number, line in places(forbidden, path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("forbidden", "pieces"),
    [
        (REGISTRY, "https://files.python|hosted.org/packages/x.whl"),
        (REGISTRY, "http|://mirror.example/sim|ple/"),
        (REGISTRY, '"resolved": "https://registry.npm|js.org/react"'),
        (MACHINE, 'cwd = "/|work/main"'),
        (MACHINE, "see /|root/.config"),
        (MACHINE, "/|home/builder/project"),
    ],
)
def test_such_a_place_would_be_found(forbidden: re.Pattern[str], pieces: str) -> None:
    assert not places(forbidden, f"one\n{pieces}\n")
    assert places(forbidden, f"one\n{whole(pieces)}\n") == [(2, whole(pieces))]


def test_pointers_and_paths_without_an_owner_are_accepted() -> None:
    assert not MACHINE.search("at /work, in https://example.org/work/1, ~/work/x or $HOME/root/a")
