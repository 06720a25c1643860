"""``wfe-mcp token``: access tokens for programs that use the HTTP API."""

from tests.cli.scene import Terminal


def test_a_token_is_shown_once_and_listed_without_its_text(empty: Terminal) -> None:
    made = empty("token", "create", "ci", "--scope", "work", "--expires", "12h")
    assert made.code == 0, made.err
    (text,) = (line.strip() for line in made.out.splitlines() if line.strip().startswith("wfe_"))

    listed = empty("token", "list")

    assert "ci" in listed.out
    assert "work" in listed.out
    assert text not in listed.out
    assert text not in empty("token", "list", "--json").out


def test_a_token_is_for_this_project_unless_it_is_for_all(empty: Terminal) -> None:
    empty("token", "create", "here")
    empty("token", "create", "everywhere", "--all-projects")

    rows = {row["name"]: row for row in empty.json("token", "list").data["tokens"]}

    assert rows["here"]["project"].startswith("p-")
    assert rows["everywhere"]["project"] == ""
    assert rows["here"]["scope"] == "read"
    assert "every project" in empty("token", "list").out


def test_a_revoked_token_is_gone(empty: Terminal) -> None:
    empty("token", "create", "release-bot")

    assert empty("token", "revoke", "release-bat").code == 1
    assert empty("token", "revoke", "release-bot").out == "Token release-bot is revoked.\n"
    assert "No tokens." in empty("token", "list").out


def test_an_unknown_scope_or_duration_names_what_there_is(empty: Terminal) -> None:
    assert "Did you mean 'manage'?" in empty("token", "create", "ci", "--scope", "mange").err
    assert "read, work, manage" in empty("token", "create", "ci", "--scope", "zzz").err
    assert "is not a duration" in empty("token", "create", "ci", "--expires", "soon").err
    assert "No tokens." in empty("token", "list").out
