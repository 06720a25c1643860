"""The project's location comes from the user, else the client, else git; its state is in the user's data folder."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wfe_mcp.clients.wfe_hook.open_runs import data_folder
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.system.location import (
    Project,
    data_dir,
    database_url,
    find_project,
    project_at,
    user_config_file,
)

Git = Callable[..., str]


def test_flag_beats_variable_beats_client_root_beats_git(root: Path, repo: Git, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("flag", "variable", "client")]
    for each in folders:
        each.mkdir()
    flag, variable, client = map(str, folders)
    inner = root / "sub"
    inner.mkdir()
    env = {"WFE_PROJECT": variable}
    assert find_project(flag, env, [client], inner).root == folders[0]
    assert find_project(None, env, [client], inner).root == folders[1]
    assert find_project(None, {}, [client], inner).root == folders[2]
    assert find_project(None, {}, [], inner).root == root.resolve()


def test_a_folder_without_git_is_its_own_project(root: Path) -> None:
    found = find_project(None, {}, [], root)
    assert (found.root, found.key, found.worktree, found.is_git) == (root, str(root), str(root), False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xff"))
    folder.mkdir()
    with pytest.raises(Refused, match="is not UTF-8") as caught:
        find_project(None, {}, [], folder)
    assert str(caught.value).encode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["line\nbreak", "tab\t", "red\x1b[31m"])
def test_a_folder_whose_name_would_end_a_line_or_command_a_terminal_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "below"
    folder.mkdir(parents=True)
    with pytest.raises(Refused, match="has a line break or another control character") as caught:
        find_project(None, {}, [], folder)
    assert repr(name)[1:-1] in caught.value.message, "it is named all the same"


def test_client_roots_are_paths_or_file_addresses_and_unusable_ones_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    roots = ["https://example.org/x", "file://[", "relative", "file:///does/not/exist", folder.as_uri()]
    assert find_project(None, {}, roots, tmp_path).root == folder
    assert find_project(None, {}, [f"file://server{tmp_path}/share", str(folder)], tmp_path).root == folder


@pytest.mark.parametrize(("flag", "variable"), [("missing", ""), (None, "missing")])
def test_a_named_project_that_is_no_folder_is_refused(root: Path, flag: str | None, variable: str) -> None:
    with pytest.raises(Refused) as refused:
        find_project(flag, {"WFE_PROJECT": variable}, [], root)
    assert refused.value.code == "bad_argument"


def test_a_named_project_may_be_relative(root: Path) -> None:
    (root / "pkg").mkdir()
    assert find_project("pkg", {}, [], root).root == root / "pkg"


def test_worktrees_share_their_key_and_not_their_worktree(root: Path, repo: Git, tmp_path: Path) -> None:
    other = tmp_path / "other"
    repo("worktree", "add", "-q", str(other))
    one, two = find_project(None, {}, [], root), find_project(None, {}, [], other)
    assert one.key == two.key == str(root / ".git")
    assert (one.worktree, two.worktree) == (str(root), str(other))
    assert two.is_git


def test_a_project_stays_the_same_one_when_git_is_gone(
    root: Path, repo: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    repo("worktree", "add", "-q", str(other))
    (root / "sub").mkdir()
    repo("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(root), "module")
    places = (root, root / "sub", root / "module", other)
    known = [project_at(place) for place in places]
    found = find_project(None, {}, [], root / "sub")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [replace(project_at(place), is_git=True) for place in places] == known
    assert replace(find_project(None, {}, [], root / "sub"), is_git=True) == found
    assert not project_at(root).is_git
    assert project_at(tmp_path) == Project(tmp_path, str(tmp_path), str(tmp_path), is_git=False)


def test_a_home_directory_in_git_is_not_the_project_of_folders_below(home: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", str(home)], check=True)
    (home / "work").mkdir()
    assert find_project(None, {}, [], home / "work").root == home / "work"


def test_on_windows_the_variable_says_where_the_data_is_as_it_does_for_the_client_hook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    folders = (str(data_dir()), str(user_config_file().parent), data_folder(dict(os.environ), "win32"))
    assert set(folders) == {str(tmp_path / "wfe-mcp")}


def test_the_database_lies_in_the_data_directory_unless_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert database_url({"WFE_DATABASE_URL": "sqlite:////elsewhere.db"}) == "sqlite:////elsewhere.db"
    assert database_url({"WFE_DATABASE_URL": ""}) == f"sqlite:///{data_dir().as_posix()}/wfe.db"
    assert user_config_file().name == "config.toml"
