"""``ci`` writes the job that runs ``verify --branch``: pinned actions, the approvers of the base, a token that only reads."""

import re
from pathlib import Path

import pytest
import yaml

from tests.cli.delivered import Delivery, delivered
from tests.cli.scene import Terminal

WORKFLOW = Path(".github") / "workflows" / "wfe-verify.yml"


def test_the_workflow_pins_its_actions_and_reads_only(cli: Terminal) -> None:
    assert cli("ci", "github").code == 0
    text = (cli.root / WORKFLOW).read_text()
    made = yaml.safe_load(text)
    uses = [step["uses"] for step in made["jobs"]["wfe-verify"]["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in uses)
    assert (len(uses), made["permissions"]) == (2, {"contents": "read"})
    assert made[True].keys() == {"pull_request", "push", "merge_group"}
    assert "secrets." not in text


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
