"""What a check is found by says what it runs: a change of it is named at an approval."""

import pytest

from wfe_mcp.workspace.discovery.check_table import ROWS
from wfe_mcp.workspace.discovery.project_listing import Folder, Listing
from wfe_mcp.workspace.git.watched import defines_checks

SUBJECTS = {"*.py", "*.js", "requirements.txt", "package-lock.json", "bun.lock", "bun.lockb"}
"""What checks look at, and what tools write."""


def test_a_file_by_which_a_check_is_found_is_one_that_defines_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set[str]()

    def record(_: Folder, *patterns: str) -> bool:
        names.update(patterns)
        return True

    monkeypatch.setattr(Folder, "has", record)
    listing = Listing({"": frozenset()}, lambda _: "", lambda _: False, lambda _: False, lambda _: False, windows=False)
    for row in ROWS:
        row.where(Folder(listing, ""))
    assert {"ruff.toml", "mypy.ini", ".golangci.*", "phpstan.neon", "*.csproj"} <= names
    assert [name for name in sorted(names - SUBJECTS) if not defines_checks(name.replace("*", "js"))] == []
