"""``one_commit`` counts what came since the phase could begin, also where a command claims it with the work itself."""

from tests.cli.scene import Terminal, phase, template

ONE = {"kind": "git", "one_commit": True}


def _commit(cli: Terminal, name: str) -> None:
    (cli.root / name).write_text(name)
    cli.git("add", name)
    cli.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", name)


def test_commits_before_the_run_do_not_count(cli: Terminal, in_git: None) -> None:
    _commit(cli, "one")
    _commit(cli, "two")
    cli.save(template("once", phase("draft", ONE, on_fail=[{"do": "wait_human"}])))
    run = cli.start("once")
    _commit(cli, "three")
    submitted = cli.submit_work(run, "draft")
    assert submitted.code == 0, submitted.out


def test_two_commits_since_the_run_began_are_two(cli: Terminal, in_git: None) -> None:
    _commit(cli, "one")
    cli.save(template("once", phase("draft", ONE, on_fail=[{"do": "wait_human"}])))
    run = cli.start("once")
    _commit(cli, "two")
    _commit(cli, "three")
    assert "2 commits since the attempt's start" in cli.submit_work(run, "draft").out


def test_the_commits_of_the_phase_before_do_not_count(cli: Terminal, in_git: None) -> None:
    stop = [{"do": "wait_human"}]
    each = {"in": "${['a', 'b']}", "as": "word", "key": "${word}"}
    loop = {"id": "work", "kind": "loop", "for_each": each, "phases": [phase("item", ONE, on_fail=stop)]}
    cli.save(template("thrice", phase("draft", ONE, on_fail=stop), loop, phase("check", ONE, on_fail=stop)))
    run = cli.start("thrice")
    for name, path in zip("abcd", ("draft", "work[a].item", "work[b].item", "check"), strict=True):
        _commit(cli, name)
        submitted = cli.submit_work(run, path)
        assert submitted.code == 0, submitted.out
