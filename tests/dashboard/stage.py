"""A project with runs in every state that the application shows."""

from dataclasses import dataclass
from datetime import timedelta

from tests.dashboard.browser import asked
from tests.engine.scene import Scene, approval, command, expr, phase

LISTS = '''"""Lists as people write them."""


def natural_list(items):
    """Join items with commas and "and".

    >>> natural_list(["one", "two", "three"])
    'one, two and three'
    """
    items = [str(item) for item in items]
    if not items:
        return ""
    *first, last = items
    return ", ".join(first) + " and " + last if first else last
'''
TESTS = """from lists import natural_list


def test_two():
    assert natural_list(["a", "b"]) == "a and b"
"""


@dataclass(frozen=True)
class Stage:
    """The runs: one waits for a decision, one is at work, one has stopped, one is done, one waits for a person's form."""

    waiting: str
    request: str
    working: str
    stopped: str
    done: str
    human: str
    project: str


def staged(scene: Scene) -> Stage:
    """Play them all."""
    scene.write("src/lists.py", LISTS)
    scene.write("tests/test_lists.py", TESTS)
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "lists")
    scene.check("test", "print('911 passed')")
    scene.check("lint", "import sys; print('src/lists.py:9: line too long'); sys.exit(1)")
    done = _done(scene)
    stopped = _stopped(scene)
    working = _working(scene)
    human = _human(scene)
    waiting, request = _waiting(scene)
    scene.clock.advance(minutes=12)
    return Stage(waiting, request, working, stopped, done, human, scene.engine.project_id)


CHOICE = {
    "type": "object",
    "required": ["way", "owner"],
    "properties": {
        "way": {"enum": ["rewrite it", "patch it", "leave it"], "description": "what happens with the old parser"},
        "owner": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "maxLength": 60}, "team": {"type": "string", "maxLength": 60}},
        },
        "risks": {
            "type": "array",
            "description": "what may go wrong",
            "items": {
                "type": "object",
                "required": ["what"],
                "properties": {"what": {"type": "string", "maxLength": 80}, "likely": {"type": "boolean"}},
            },
        },
        "days": {"type": "integer", "minimum": 1, "description": "working days until it is released"},
        "reason": {"type": "string", "description": "for those who read this in a year"},
    },
}


def _human(scene: Scene) -> str:
    choose = phase(
        "choose",
        kind="human",
        title="Choose a way for the parser",
        prompt="The old parser drops empty columns. Say what happens with it, who owns it, and by when.",
    )
    choose["output"] = {"artifact": "choice", "schema": CHOICE}
    run = scene.start(
        choose,
        phase("build", needs=["choose"]),
        name="decide_first",
        title="Decide first",
        inputs={"goal": "Parser keeps empty columns"},
    )
    scene.clock.advance(minutes=4)
    return run


def _waiting(scene: Scene) -> tuple[str, str]:
    run = scene.start(
        phase("reproduce", command("test"), title="A failing test shows the bug"),
        phase("fix", command("test"), expr("${size(artifacts.fix_note.title) > 3}"), approval()),
        name="quick_fix_local",
        title="Fix one bug, proved by a test",
        inputs={"goal": 'natural_list(["a", None, "b"]) gives \'a, None and b\'. It should leave None out.'},
    )
    scene.do(
        run, "reproduce", {"title": "None is joined", "body": "`natural_list` writes **None** for a missing item."}
    )
    scene.clock.advance(minutes=9)
    scene.begin(run, "fix")
    scene.clock.advance(minutes=4)
    fixed = LISTS.replace("for item in items]", "for item in items if item is not None]")
    scene.write("src/lists.py", fixed.replace('and "and".', 'and "and". None is left out.'))
    scene.write(
        "tests/test_lists.py", TESTS + '\n\ndef test_none_is_left_out():\n    assert natural_list(["a", None]) == "a"\n'
    )
    about = "## What changed\n\n- `natural_list` leaves `None` out\n- one test more\n\n<script>alert(1)</script>"
    scene.submit(run, "fix", {"title": "None items are skipped", "body": about})
    return run, asked(scene, run, "fix")


def _working(scene: Scene) -> str:
    run = scene.start(
        phase("plan"),
        phase("api", needs=["plan"]),
        phase("docs", needs=["plan"]),
        phase("site", needs=["plan"]),
        phase("review", approval(), needs=["api", "docs", "site"]),
        phase("release", command("test"), needs=["review"]),
        name="feature",
        title="Build a feature",
        inputs={"goal": "Add weeks to naturaldelta()"},
        limits={"max_parallel": 3},
    )
    scene.do(run, "plan")
    scene.clock.advance(minutes=5)
    scene.do(run, "api")
    scene.clock.advance(minutes=7)
    scene.begin(run, "docs")
    scene.clock.advance(minutes=3)
    return run


def _stopped(scene: Scene) -> str:
    run = scene.start(
        phase("plan"),
        phase("build", command("lint"), on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "block"}]),
        name="strict",
        title="Strict",
        inputs={"goal": "parse_header drops the last column"},
    )
    scene.do(run, "plan")
    for _ in range(2):
        scene.clock.advance(minutes=6)
        scene.do(run, "build")
    return run


def _done(scene: Scene) -> str:
    run = scene.start(phase("note", command("test")), name="short", title="Short", inputs={"goal": "Say what is new"})
    scene.clock.advance(minutes=2)
    scene.do(run, "note")
    return run


LATER = timedelta(minutes=1)
