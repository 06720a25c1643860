"""A run is named in a folder of another project, or of a clone whose runs are at a server."""

import json

import pytest

from tests.cli.scene import Terminal


def test_a_run_of_another_project_is_named_with_its_folder_and_found_there(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    other = cli.root.parent / "other"
    (other / ".wfe").mkdir(parents=True)
    monkeypatch.chdir(other)
    assert cli("start", "plan_generate_review", "-i", "goal=x", "-i", "folder=src").code == 0, (
        "with an open run of its own"
    )

    for words in (("show", run), ("approve", run, "draft"), ("cancel", run)):
        answer = cli(*words)
        assert answer.code == 1
        assert f"Run {run} is of another project: it works in {cli.root} [unknown_run]" in answer.err
        assert f"Next: change to that folder, or add: --project {cli.root}\n" in answer.err
    assert cli("show", run, "--project", str(cli.root)).code == 0
    assert "This project has no run 'nowhere'" in cli("show", "nowhere").err
    assert "This project has no run" in cli("show", run[:4]).err, "only a whole id names a run of another project"


def test_where_the_clients_of_a_folder_work_over_a_bridge_their_runs_are_said_to_be_at_the_server(
    cli: Terminal,
) -> None:
    entry = {"command": "wfe-mcp", "args": ["serve", "--server", "https://wfe.example"]}
    (cli.root / ".mcp.json").write_text(json.dumps({"mcpServers": {"wfe": entry}}))
    where = "The clients of this folder work with https://wfe.example, which has their runs"
    for words in (("status", "41nrtknepw"), ("watch", "41nrtknepw"), ("approve", "41nrtknepw", "plan")):
        answer = cli(*words)
        assert (answer.code, where in " ".join(answer.err.split())) == (1, True), answer.err
        assert "wfe-mcp start" not in answer.err
    for words in (("status",), ("list",)):
        answer = cli(*words)
        assert (answer.code, where in " ".join(answer.out.split())) == (0, True), answer.out
        assert "templates list" not in answer.out + answer.err
    (cli.root / ".mcp.json").unlink()
    assert "https" not in cli("status").out + cli("list").out + cli("status", "41nrtknepw").err
