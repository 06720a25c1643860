"""What a person sees before they approve."""

import hashlib
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, phase, refused
from wfe_mcp.core.model import RunState
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.files.tree_binding import first_tree
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import ApprovalView, answers as decisions, open_approval, shown_sha256
from wfe_mcp.views.approvals.model import Named
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import details_of
from wfe_mcp.views.values.model import plain


def shown(scene: Scene, run: str, name: str = "plan") -> ApprovalView:
    found = open_approval(scene.engine, overview_of(scene.engine, run), name)
    assert found is not None
    return found


def test_the_bytes_and_what_moved_the_goalposts_are_shown(scene: Scene) -> None:
    scene.check("ok", "pass")
    first = scene.start(phase("plan", command("ok"), approval(phrase="ship it")))
    answers.control_run(scene.engine, AGENT, first, "cancel")
    scene.clock.advance(minutes=1)
    run = answers.start_run(scene.engine, AGENT, "drill").run or ""
    scene.begin(run)
    scene.write("tests/test_app.py", "def test_nothing(): pass\n")
    scene.write("src/app.py", "VALUE = 2\n")
    scene.submit(run, "plan")
    view = shown(scene, run)
    assert (view.assurance, view.phrase) == ("human", "ship it")
    assert view.artifact is not None
    assert view.artifact.content == GOOD
    assert [one.text for one in view.unusual] == [
        "tests/test_app.py changed since the run began.",
        f"Cancelled before this run: {first} (A drill)",
    ]
    assert [(line.gate, line.state) for line in view.evidence] == [("ok", "pass"), ("approval", "awaiting")]
    assert [(file.path, file.status, file.added, file.removed) for file in view.changes[0].files] == [
        ("src/app.py", "added", 1, 0),
        ("tests/test_app.py", "added", 1, 0),
    ]


def test_a_prompt_is_shown_without_an_artifact(scene: Scene) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    view = shown(scene, run)
    assert view.artifact is None
    assert view.prompt is not None
    assert "Write plan." in (view.prompt.text or "")


def test_what_asks_nothing_of_a_person_shows_nothing(scene: Scene) -> None:
    run = scene.start(phase("plan", command("ok")))
    found = overview_of(scene.engine, run)
    assert open_approval(scene.engine, found, "plan") is None
    assert open_approval(scene.engine, found, "nope") is None
    scene.do(run, "plan")
    assert open_approval(scene.engine, overview_of(scene.engine, run), "plan") is None, "it waits for trust"


def test_the_same_decision_has_the_same_sha256_until_something_in_it_changes(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    before = shown_sha256(shown(scene, run))
    assert shown_sha256(shown(scene, run)) == before
    scene.clock.advance(hours=3)
    assert shown_sha256(shown(scene, run)) == before, "time alone changes nothing"
    approvals.reject(scene.engine, HUMAN, run, "plan", "Again.")
    scene.do(run, "plan")
    after = shown(scene, run)
    assert shown_sha256(after) != before
    assert [(one.number, one.state, one.reason) for one in after.attempts] == [(1, "rejected", "Again.")]


def test_an_earlier_attempt_that_failed_is_shown_as_failed(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${run.iteration == 1 && phase.attempt == 2}"), approval()))
    scene.do(run, "plan")
    scene.do(run, "plan")
    assert [(one.number, one.state) for one in shown(scene, run).attempts] == [(1, "failed")]


@pytest.mark.parametrize("git", [True, False])
def test_without_git_the_view_says_so(scene: Scene, git: bool) -> None:
    if not git:
        (scene.root / ".git").rename(scene.root.parent / "elsewhere")
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    note = shown(scene, run).changes[0].note
    assert ("no git repository" in note) is not git


def test_the_json_has_what_is_there_and_no_empty_fields(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    found = plain(shown(scene, run))
    assert found["artifact"]["content"] == GOOD
    assert found["evidence"] == [{"gate": "approval", "state": "awaiting"}]
    assert "opinions" not in found


def test_watched_files_are_named_without_their_content(scene: Scene) -> None:
    scene.write(".gitignore", ".env\nconftest.py\n.wfe/runs/\n")
    scene.write("conftest.py", "before")
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write(".env", "TOKEN=canary")
    scene.write("conftest.py", "after")
    scene.submit(run, "plan")
    view = shown(scene, run)
    assert [one.text for one in view.unusual] == [
        "New since the run began, and ignored by git or unreadable: .env.",
        "Changed since the run began, and ignored by git or unreadable: conftest.py.",
    ]
    assert view.changes[0].watched == (Named(".env", "new"), Named("conftest.py", "changed"))
    assert "canary" not in str(plain(view))


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        (["sh", "scripts/check.sh"], "scripts/check.sh"),
        (["sh", "-c", "cd . && sh ./ci/check.sh || exit 1"], "ci/check.sh"),
        (["python", "-m", "tool"], "tool.py"),
        (["python", "-m", "tool.run"], "tool/run/__main__.py"),
        (["python", "-m", "tool"], "json.py"),
        (["npm", "exec", "pytest"], "json.py"),
        (["npm", "test"], "scripts/last.mjs"),
        (["make", "test"], "steps/unit.sh"),
        (["make", "test"], "steps/unit.mjs"),
        (["sh", "steps/unit.sh"], "steps/unit.mjs"),
        (["sh", "steps/last"], "steps/unit.mjs"),
    ],
)
@pytest.mark.attack("the script that a check starts is rewritten to pass", "detected", "T15")
def test_a_file_that_the_command_of_a_check_names_is_unusual(scene: Scene, argv: list[str], path: str) -> None:
    scripts = {"test": "npm run all", "preall": "node scripts/first.mjs", "all": "node scripts/last.mjs --ci"}
    scene.write("package.json", json.dumps({"scripts": scripts | {"start": "node app.mjs"}}))
    scene.write("bin/python", "#!/bin/sh\nexit 0\n")
    (scene.root / "bin/python").chmod(0o755)
    program = {"sh": "/bin/sh"}.get(argv[0], f"{scene.root}/bin/python")
    for tool in ("npm", "make"):
        (scene.root / "bin" / tool).symlink_to("python")
    program = f"{scene.root}/bin/{argv[0]}" if argv[0] in {"npm", "make"} else program
    scene.write(
        "Makefile", "UNIT = steps/unit.sh\n.PHONY: test\nrun:\n\tnode app.mjs\ntest: unit\nunit: $(LIB)\n\tsh $(UNIT)\n"
    )
    scene.write("steps/unit.sh", "true || node steps/unit.mjs app.txt\n")
    scene.write("steps/last", "#!/usr/bin/env sh\ntrue || exec steps/unit.sh\n")
    scene.write(path, "exit 1\n")
    scene.write("app.mjs")
    scene.write(".wfe/config.toml", f"[checks.ok]\nargv = {json.dumps([program, *argv[1:]])}\n")
    scene.trust_config()
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    scene.write(path, "exit 0\n")
    scene.write("app.mjs", "2\n")
    scene.write("app.txt", "2\n")
    scene.submit(run, "plan")
    (one,) = shown(scene, run).unusual
    assert one.text == f"{path} changed since the run began."
    assert one.why == "It defines what the checks run."


def test_a_module_below_the_top_that_is_called_as_one_of_pythons_own_is_not_unusual(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    scene.write("shop/email/__init__.py", "1\n")
    scene.submit(run, "plan")
    assert shown(scene, run).unusual == ()


@pytest.mark.attack("a new link leads a check out of the project", "detected", "T5; T15")
def test_a_new_link_that_leads_out_of_the_project_is_unusual(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run)
    scene.write("src/app.py", "1\n")
    (scene.root / "again.py").symlink_to("src/app.py")
    (scene.root / "src/helpers").symlink_to("../../elsewhere")
    scene.submit(run, "plan")
    (one,) = shown(scene, run).unusual
    assert one.text == "A link that leads out of the project: src/helpers."
    assert one.why == "What a check reads there is not in the diff."


@pytest.mark.skipif(os.name == "nt", reason="a script of the shell is no program there")
@pytest.mark.attack("replace the ignored program of a check between two phases", "detected", "T15")
def test_a_check_that_ran_another_program_than_at_first_is_unusual(scene: Scene) -> None:
    scene.write(".gitignore", "tools/\n.wfe/runs/\n")
    scene.write(".wfe/config.toml", '[checks.ok]\nargv = ["tools/check"]\n')
    scene.trust_config()
    run = scene.start(phase("plan", command("ok")), phase("build", command("ok"), approval()))
    lines: list[str] = []
    for name, text in (("plan", "#!/bin/sh\nexit 0\n"), ("build", "#!/bin/sh\n# as before\nexit 0\n")):
        scene.write("tools/check", text)
        (scene.root / "tools/check").chmod(0o755)
        scene.do(run, name)
        lines.append(hashlib.sha256(text.encode()).hexdigest()[:12])
    (one,) = shown(scene, run, "build").unusual
    assert one.text == "Check ok ran another program than at first."
    place = (scene.root / "tools/check").resolve()
    assert one.why == f"First {place} (sha256 {lines[0]}), now {place} (sha256 {lines[1]})."


@pytest.mark.attack("keep a file that a check reads in .wfe, where no diff looks", "detected", "T15")
def test_a_file_of_others_in_wfe_is_named_in_the_decision(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write(".wfe/helper.py", "GOOD = 1\n")
    scene.submit(run, "plan")
    (one,) = shown(scene, run).unusual
    assert one.text == "New since the run began, and in the folder of wfe-mcp: .wfe/helper.py."
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.write(".wfe/helper.py", "EVIL = 1\n")
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").data["changed"] == [".wfe/helper.py"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.attack("a tracked file becomes a link that leads elsewhere", "detected", "T5; T15")
def test_a_tracked_file_that_became_a_link_is_unusual(scene: Scene) -> None:
    scene.write("src/app.py", "VALUE = 1\n")
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    (scene.root / "src/app.py").unlink()
    (scene.root / "src/app.py").symlink_to("../../elsewhere.py")
    scene.submit(run, "plan")
    (one,) = shown(scene, run).unusual
    assert one.text == "Now a link, and no file any more: src/app.py."
    assert one.why == "What a check reads there is not in the diff."


@pytest.mark.attack(
    "a zero byte, its size or its place behind 400 others keeps the code of a file from the decision", "held", "T10"
)
@pytest.mark.parametrize("how", ["zero byte", "size", "place"])
def test_a_file_of_text_whose_lines_are_not_shown_is_unusual(scene: Scene, how: str) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    for number in range(400 if how == "place" else 0):
        scene.write(f"a/{number}.txt", "")
    (scene.root / "app.js").write_bytes(
        {"zero byte": b"/*\0*/\n", "size": b"\n" * 1_000_001}.get(how, b"") + b"run()\n"
    )
    (scene.root / "home.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    scene.submit(run, "plan")
    assert [one.text for one in shown(scene, run).unusual] == ["No lines are shown of app.js."]


@pytest.mark.attack("a compiled module is put beside its source, where git does not ignore it", "detected", "T15")
def test_a_program_without_lines_is_unusual(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    (scene.root / "app.so").write_bytes(b"\x7fELF\0")
    scene.submit(run, "plan")
    assert [one.text for one in shown(scene, run).unusual] == ["No lines are shown of app.so."]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".claude/settings.json", "A client or an editor may start what is named there."),
        ("web/.vscode/tasks.json", "A client or an editor may start what is named there."),
        (".mcp.json", "A client or an editor may start what is named there."),
        (".gitignore", "It is said there which files count, and how git stores them."),
        ("src/.gitattributes", "It is said there which files count, and how git stores them."),
        (".gitmodules", "It is said there which files count, and how git stores them."),
    ],
)
@pytest.mark.attack("a run changes hooks of a client, tasks of an editor, or what git ignores", "detected", "T15")
def test_what_acts_beyond_the_checks_is_unusual(scene: Scene, path: str, why: str) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write(path, ".wfe/runs/\n")
    scene.write("src/settings.json", "{}")
    scene.submit(run, "plan")
    assert [(one.text, one.why) for one in shown(scene, run).unusual] == [(f"{path} changed since the run began.", why)]


@pytest.mark.attack("change files after the start and before the first phase", "detected", "T15")
def test_what_changed_before_the_first_claim_is_named_in_the_decision_and_in_the_status(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.write("money.py", "RATE = 2\n")
    scene.begin(run, "plan")
    scene.write("more.py", "x")
    scene.submit(run, "plan")
    answer = "money.py changed after the run started and before its first phase began."
    assert answer in [one.text for one in shown(scene, run).unusual]
    assert [file.path for file in shown(scene, run).changes[0].files] == ["money.py", "more.py"]
    assert scene.status(run).data["warnings"] == [answer]


def test_an_older_run_began_with_its_first_claim_that_read_the_files(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    scene.work()
    old = replace(scene.state(run), tree=None)
    assert first_tree(old) == scene.attempt(run, "plan").tree_at_start
    assert first_tree(RunState()) is None


@pytest.mark.parametrize(
    ("code", "keys", "answer"),
    [
        ("print('3 passed in 0.1s')", {}, "printed text, which the program could print itself"),
        (
            "open('j.xml', 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')",
            {"junit": "j.xml"},
            "a report file of this run",
        ),
    ],
)
def test_a_person_sees_what_tests_were_counted_from(scene: Scene, code: str, keys: dict[str, Any], answer: str) -> None:
    scene.check("ok", code, **keys)
    run = scene.start(phase("plan", command("ok", min_tests=1), approval()))
    scene.do(run, "plan")
    line = shown(scene, run).evidence[0]
    assert line.text.endswith(f", counted from {answer}")
    assert [each.value for each in line.details if each.name == "counted from"] == [answer]
    result = details_of(scene.engine, overview_of(scene.engine, run)).attempts[-1]
    assert [each.counted_from for each in result.evidence] == [answer]


def test_before_steps_the_question_says_what_they_are_for(scene: Scene) -> None:
    hold: dict[str, Any] = {
        "id": "hold",
        "title": "HOLD: a person decides whether to go on",
        "kind": "steps",
        "prompt": "Approve to go on.",
        "prompt_gates": [approval()],
        "steps": [
            {"id": "go_on", "builtin": "log", "params": {"message": "on"}},
            {"id": "note", "builtin": "set", "params": {"a": "b"}},
        ],
    }
    view = shown(scene, scene.start(hold), "hold")
    assert view.question == 'HOLD: a person decides whether to go on. Let the server start hold of "A drill"?'
    assert view.effect == "If you approve, the server starts 2 steps: go_on and note."


def test_a_go_ahead_that_is_asked_for_again_says_how_the_attempt_before_ended(scene: Scene) -> None:
    never = {"kind": "expr", "assert": "${run.id == ''}"}
    run = scene.start(phase("plan", never, prompt_gates=[approval()]), limits={"max_iterations": 3})
    assert shown(scene, run).question == 'Let the agent start plan of "A drill"?'
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.do(run, "plan")
    assert shown(scene, run).question == 'Attempt 1 failed. Let the agent start plan of "A drill" again?'
    approvals.reject(scene.engine, HUMAN, run, "plan", "Shorter.")
    assert shown(scene, run).question == 'Attempt 2 was rejected. Let the agent start plan of "A drill" again?'


def test_a_draft_that_was_forced_and_comes_back_to_other_files_is_shown_as_it_is(scene: Scene) -> None:
    output = {"artifact": "plan", "schema": "plan@1"}
    run = scene.start(phase("plan", approval(), output=output), phase("build"), limits={"max_invalid": 1})
    scene.begin(run)
    draft = {"steps": ["Begin", {"acceptance": 5}]}
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=draft)
    control.force_accept(scene.engine, HUMAN, run, "plan", "good enough")
    scene.write("app.py", "VALUE = 666\n")
    fork = fork_run(scene.engine, HUMAN, run, "").record.id
    view = shown(scene, fork)
    assert view.artifact is not None
    assert view.artifact.content == draft
