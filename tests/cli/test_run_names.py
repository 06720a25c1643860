"""A run is named in a folder of another project."""

import pytest

from tests.cli.scene import Terminal


def test_a_run_of_another_project_is_named_with_its_folder_and_found_there(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    other = cli.root.parent / "other"
    (other / ".wfe").mkdir(parents=True)
    monkeypatch.chdir(other)

    for words in (("show", run), ("approve", run, "draft"), ("cancel", run)):
        answer = cli(*words)
        assert answer.code == 1
        assert f"Run {run} is of another project: it works in {cli.root} [unknown_run]" in answer.err
        assert f"Next: change to that folder, or add: --project {cli.root}\n" in answer.err
    assert cli("show", run, "--project", str(cli.root)).code == 0
    assert "This project has no run 'nowhere'" in cli("show", "nowhere").err
    assert "This project has no run" in cli("show", run[:4]).err, "only a whole id names a run of another project"
