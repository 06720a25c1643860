"""``ci`` writes the job that runs ``verify --branch``: pinned actions, the approvers of the base, a token that only reads."""

import re
from pathlib import Path

import pytest
import yaml

from tests.cli.delivered import Delivery, delivered, git
from tests.cli.scene import PIN, Terminal

WORKFLOW = Path(".github") / "workflows" / "wfe-verify.yml"


def test_the_workflow_pins_its_actions_and_reads_only(cli: Terminal) -> None:
    assert cli("ci", "github").code == 0
    text = (cli.root / WORKFLOW).read_text()
    made = yaml.safe_load(text)
    uses = [step["uses"] for step in made["jobs"]["wfe-verify"]["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in uses)
    assert (len(uses), made["permissions"]) == (2, {"contents": "read"})
    assert made[True].keys() == {"pull_request", "push", "merge_group", "workflow_dispatch"}
    assert "secrets." not in text


def test_where_no_repository_is_yet_that_comes_first(cli: Terminal) -> None:
    assert cli("ci", "github").out.splitlines()[1] == "  Here is no git repository yet: git init"
    git(cli.root, "init", "-q", "-b", "main")
    assert "git init" not in cli("ci", "github").out


def branches_of_job(cli: Terminal, *words: str) -> list[str]:
    assert cli("ci", "github", *words).code == 0
    made = yaml.safe_load((cli.root / WORKFLOW).read_text())
    (cli.root / WORKFLOW).unlink()
    assert made[True]["pull_request"] == made[True]["push"]
    return made[True]["push"]["branches"]


def test_the_job_is_for_the_base_of_the_project(cli: Terminal) -> None:
    git(cli.root, "init", "-q", "-b", "work")
    git(cli.root, "commit", "-q", "--allow-empty", "-m", "begin")
    assert branches_of_job(cli) == ["main"], "nothing is known"
    git(cli.root, "update-ref", "refs/remotes/origin/master", "HEAD")
    git(cli.root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/master")
    assert branches_of_job(cli) == ["master"]
    (cli.root / ".wfe" / "config.toml").write_text('[delivery]\nmode = "merge"\nbase = "trunk"\n')
    assert branches_of_job(cli) == ["master"], "a person has not trusted it yet"
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert branches_of_job(cli) == ["trunk"]
    assert branches_of_job(cli, "--branch", "release/2") == ["release/2"]


def test_a_branch_that_is_not_there_is_answered_with_those_that_are(cli: Terminal) -> None:
    git(cli.root, "init", "-q", "-b", "trunk")
    git(cli.root, "commit", "-q", "--allow-empty", "-m", "begin")
    no = cli.json("verify", "--branch", "main")
    assert no.refusal == "bad_argument"
    assert "git fetch origin; or name a branch that is here: trunk" in cli("verify", "--branch", "main").err


def test_the_commands_of_the_workflow_name_what_is_not_approved(cli: Terminal) -> None:
    """Its steps, run as the forge runs them for a pull request: on the merge commit that it would make."""
    delivery = Delivery(cli, *delivered(cli))
    delivery.git("checkout", "-q", "-b", "feature")
    delivery.write("evil\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--no-ff", "-m", "Merge pull request", "feature")
    assert cli.json("verify", "--branch", "HEAD", "--since", "HEAD^1").code == 1
    delivery.git("reset", "-q", "--hard", delivery.commit)
    delivery.git("checkout", "-q", "-b", "good")
    delivery.write("half\n")
    delivery.approve("two = 2\n")
    delivery.git("checkout", "-q", "main")
    delivery.git("merge", "-q", "--no-ff", "-m", "Merge pull request", "good")
    assert cli.json("verify", "--branch", "HEAD", "--since", "HEAD^1").code == 0


def test_a_branch_that_is_new_to_ci_is_checked_from_its_first_approvers_on(cli: Terminal) -> None:
    delivery = Delivery(cli, *delivered(cli))
    assert cli.json("verify", "--branch", "HEAD", "--since", "0" * 40).code == 0
    evil = delivery.write("evil\n")
    found = cli.json("verify", "--branch", "HEAD", "--since", "0" * 40)
    assert [one["where"].split(" ")[0] for one in found.data["problems"]] == [evil[:12]]


def test_the_job_of_gitlab_is_one_job(cli: Terminal) -> None:
    assert cli("ci", "gitlab", "--branch", "release/2").code == 0
    made = yaml.safe_load((cli.root / ".gitlab" / "wfe-verify.yml").read_text())
    assert made.keys() == {"wfe-verify"}
    assert made["wfe-verify"]["variables"] == {"GIT_DEPTH": "0"}
    assert '"release/2"' in made["wfe-verify"]["rules"][1]["if"]


@pytest.mark.parametrize(
    ("words", "refusal"), [(("githab",), "bad_argument"), (("github", "--branch", "a b"), "bad_argument")]
)
def test_another_forge_and_a_wrong_branch_are_refused(cli: Terminal, words: tuple[str, ...], refusal: str) -> None:
    assert cli.json("ci", *words).refusal == refusal


def test_a_file_of_the_user_is_not_overwritten(cli: Terminal) -> None:
    assert cli.json("ci", "github").data["written"]
    assert not cli.json("ci", "github").data["written"]
    (cli.root / WORKFLOW).write_text("name: mine\n")
    assert cli.json("ci", "github").refusal == "conflict"
    assert (cli.root / WORKFLOW).read_text() == "name: mine\n"
