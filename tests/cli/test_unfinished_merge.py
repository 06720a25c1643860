"""A person decides while a merge is not finished in the folder."""

from tests.cli.scene import Terminal


def test_a_merge_that_is_not_finished_is_unusual(in_git: None, cli: Terminal) -> None:
    def git(*words: str) -> None:
        cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", *words)

    git("commit", "-q", "--allow-empty", "-m", "first")
    git("switch", "-q", "-c", "other")
    git("commit", "-q", "--allow-empty", "-m", "theirs")
    git("switch", "-q", "-")
    git("commit", "-q", "--allow-empty", "-m", "ours")
    run = cli.start("letter")
    assert cli.submit_work(run, "draft").code == 0
    assert cli.submit_work(run, "send").code == 0
    sentence = "A merge is not finished in this folder."
    assert sentence not in cli("show", run, "--decision").out

    git("merge", "-q", "--no-commit", "other")

    assert sentence in cli("show", run, "--decision").out
    git("merge", "--abort")
    assert sentence not in cli("show", run, "--decision").out
