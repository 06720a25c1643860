"""What keeps an agent from something is given back by nothing that an agent's shell can set."""

from pathlib import Path

import pytest

from wfe_mcp.workspace.config.settings import load_settings

WARN, BLOCK = "[artifacts]\non_mismatch = 'warn'\n", "[artifacts]\non_mismatch = 'block'\n"


@pytest.mark.requirement("S0-19")
@pytest.mark.parametrize(
    ("user", "project", "variable", "of_drill", "of_others"),
    [
        ("", "", "", "block", "block"),
        ("", "", "warn", "block", "block"),
        (WARN, "", "", "warn", "warn"),
        (BLOCK, WARN, "", "warn", "warn"),  # a trusted project says so for itself
        (WARN, BLOCK, "", "block", "block"),
        ("", BLOCK, "warn", "block", "block"),  # a variable loosens nothing
        (WARN, "", "block", "block", "block"),
        ("", BLOCK + "[templates.drill]\non_mismatch = 'warn'\n", "", "warn", "block"),
        ("[templates.drill]\non_mismatch = 'warn'\n", BLOCK, "", "block", "block"),  # nor does the user's own word
        ("[templates.drill]\non_mismatch = 'warn'\n", "", "", "warn", "block"),
        ("", "[templates.drill]\non_mismatch = 'block'\n", "warn", "block", "block"),
    ],
)
def test_a_changed_file_is_judged_by_the_strictest_who_may_say_so(
    tmp_path: Path, user: str, project: str, variable: str, of_drill: str, of_others: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(user, encoding="utf-8")
    (tmp_path / "project" / ".wfe").mkdir(parents=True)
    (tmp_path / "project" / ".wfe" / "config.toml").write_text(project, encoding="utf-8")
    env = {"WFE_ARTIFACTS_ON_MISMATCH": variable} if variable else {}
    settings = load_settings(tmp_path / "project", lambda _file, _sha256: True, env, own).settings
    assert (settings.on_mismatch("drill"), settings.on_mismatch("other")) == (of_drill, of_others)
