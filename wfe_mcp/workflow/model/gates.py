"""The kinds of gates: each is a model of its keys, with all that a template and a listing need to know of it.

A kind states where it is judged, how it uses the working tree, what it is called, and its rules of lint; each key has its
meaning and an example. ``gates/KIND.py`` has the judge. A kind that lacks a part fails when this module is imported.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Tag

from wfe_mcp.core.effects import ASSURANCES
from wfe_mcp.workflow.model.base import (
    Condition,
    Duration,
    Json,
    Label,
    Many,
    Prompt,
    Text,
    choice,
    discriminate_by,
    optional,
    required_key,
)
from wfe_mcp.workflow.model.expect import Expect, names_tests
from wfe_mcp.workflow.model.gate_kind import GateLint, GateShape, by_kind


def _is_fast_forward(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and bool(value))


MOST_PEOPLE = 5
PEOPLE_SIGN = ("human", "passkey")
"""The assurance of approvals that a person's key signs."""
READABLE_CHARACTERS = 60
"""A longer condition should have a sentence beside it."""


class ExprGate(GateShape):
    """An expression must be true."""

    judged = "inline"
    tree = "unused"
    label = "expr"
    with_git = ()
    configured_by = ()

    kind: Literal["expr"] = required_key("`expr`: an expression must be true.")
    assert_: Condition = required_key(
        "The condition, exactly one `${…}`. It sees the revision under judgement.",
        example="${size(artifacts.change.files) > 0}",
        alias="assert",
    )
    rule: Text | None = optional(
        None,
        "What must hold, in a sentence: people and agents read it in place of the condition.",
        example="At least one file is changed",
        effect="text",
    )
    message: Text | None = optional(
        None,
        "What the agent also reads when the condition is false.",
        example="List every file that you changed, not ${size(artifacts.change.files)}.",
        effect="text",
    )

    @property
    def condition(self) -> str:
        """The condition as people read it, without the ``${…}`` around it."""
        return self.assert_.strip().removeprefix("${").removesuffix("}").strip()

    def lint(self, lint: GateLint) -> None:
        """A sentence for people, where the condition is long; it is linted as every expression."""
        if self.rule is None and self.message is None and len(self.assert_) > READABLE_CHARACTERS:
            lint.warn("", "write in 'rule' what must hold: without it people read the expression")


class FilesGate(GateShape):
    """Files must exist, must be changed or unchanged, or must be the only changed ones."""

    judged = "command"
    tree = "reads"
    label = "files"
    with_git = ("unchanged", "within", "changed", "changed_outside")
    configured_by = ()

    kind: Literal["files"] = required_key(
        "`files`: compares the project's files with those at the start; `.wfe/` never counts."
    )
    exist: Many[Text] = optional((), "Globs; each must match at least one file.", example=["docs/*.md"])
    unchanged: Many[Text] = optional(
        (), "Globs; no matching file may be modified, created or deleted.", example=["tests/**"]
    )
    within: Many[Text] = optional(
        (),
        "Globs; every changed file must match one of them. Where it is empty, no file may change.",
        example=["src/**", "tests/**"],
    )
    changed: Many[Text] = optional(
        (), "Globs; at least one changed file must match one of them. `**` is any file.", example=["src/**"]
    )
    changed_outside: Many[Text] = optional(
        (), "Globs; at least one changed file must match none of them.", example=["tests/**"]
    )
    since: Literal["phase", "run"] = optional(
        "phase",
        "The start that changes count from: of this `phase` (retries included), or of the `run`.",
        example="run",
    )

    def lint(self, lint: GateLint) -> None:
        """At least one rule, and ``within`` is one without a glob, too; globs stay in the project."""
        rules = {key: getattr(self, key) for key in ("exist", *self.with_git)}
        if not any(rules.values()) and "within" not in self.model_fields_set:
            lint.error("", f"a files gate needs at least one of {', '.join(rules)}", list(rules))
        for rule, globs in rules.items():
            lint.needs_inside(f"/{rule}", globs)


class GitGate(GateShape):
    """The repository must be in a certain state."""

    judged = "command"
    tree = "alone"
    label = "git"
    with_git = ("clean", "branch", "one_commit", "message", "fast_forward")
    configured_by = ()

    kind: Literal["git"] = required_key("`git`: the state of the repository.")
    clean: bool = optional(False, "Nothing is uncommitted; `.wfe/` does not count.", example=True)
    branch: Text | None = optional(None, "The branch that must be checked out; globs are allowed.", example="ai/*")
    one_commit: bool = optional(False, "Exactly one commit was added since the attempt's start.", example=True)
    message: Text | None = optional(
        None, "The first line of the newest commit must begin with this text.", example="fix: "
    )
    fast_forward: Annotated[
        bool | str,
        *choice(
            "must be true, false or the name of a branch",
            _is_fast_forward,
            {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]},
        ),
    ] = optional(
        False,
        "`true`: HEAD descends from the commit at the attempt's start. A branch name: HEAD descends from it.",
        example=True,
    )

    def lint(self, lint: GateLint) -> None:
        """At least one rule."""
        if not any(getattr(self, rule) for rule in self.with_git):
            lint.error("", f"a git gate needs at least one of {', '.join(self.with_git)}", list(self.with_git))


class ReportGate(GateShape):
    """The submitted report must have a certain status."""

    judged = "inline"
    tree = "unused"
    label = "report"
    with_git = ()
    configured_by = ()

    kind: Literal["report"] = required_key("`report`: judges the `status` and `role` of the submitted report.")
    role: Label | None = optional(
        None, "The role the report must come from, one of the template's `roles`.", example="qa"
    )
    status: str = optional("pass", "The status the report must have.", example="pass", min_length=1)

    def lint(self, lint: GateLint) -> None:
        """The artifact is a report."""
        lint.needs_role("/role", self.role)
        if lint.is_before_work:
            lint.error("", "a report gate judges the submitted report: put it into 'gates'", "gates")
        elif not lint.can_have("status") and not lint.can_have("verdict"):
            lint.error("", "the artifact has no 'status' or 'verdict' that a report gate could judge", "role_report@1")
        if self.role and not lint.is_before_work and not lint.can_have("role"):
            what = "the artifact has no 'role' that a report gate could judge"
            lint.error("/role", what, "role_report@1", self.role)


class CommandGate(GateShape):
    """A check of the project's configuration must have the expected result."""

    judged = "command"
    tree = "runs"
    label = "{check}"
    with_git = ()
    configured_by = (("", ("missing_checks",)),)

    kind: Literal["command"] = required_key("`command`: runs a check of the project's configuration.")
    check: Label = required_key("The name of the check; its command line is in trusted configuration.", example="test")
    if_missing: Literal["fail", "note"] = optional(
        "fail", "When the project has no such check: `fail`, or only `note` it in the evidence.", example="note"
    )
    level: Literal["worktree", "checkout", "sandbox", "runner"] | None = optional(
        None,
        "The least level of evidence: where the check must have run. `worktree` says that the agent's own folder "
        "is enough; `checkout`, `sandbox`, `runner` ask for more.",
        example="checkout",
    )
    expect: Expect = optional(
        Expect(),
        "The required result; by default exit code 0.",
        example={"exit_code": "nonzero", "fails": "${artifacts.change.tests}"},
        noun="",
    )

    def lint(self, lint: GateLint) -> None:
        """The check exists; a failure that is required names its tests."""
        lint.needs_check("/check", self.check, optional=self.if_missing == "note")
        expect = self.expect
        for key, names in (("fails", expect.fails), ("passes", expect.passes)):
            if names == ():
                lint.error(f"/expect/{key}", f"{key!r} names no test", "the id of a test")
        failing = expect.failing_tests
        fails_somehow = expect.exit_code not in {None, 0} or failing == "some"
        if not fails_somehow:
            fails_somehow = isinstance(failing, int) and failing > 0
        if fails_somehow and expect.fails is None and not names_tests(failing):
            lint.warn(
                "/expect",
                "any failure of this check satisfies the gate; name the test that must fail in 'fails', for example with "
                "an expression on the phase's artifact",
            )


class ClaimsGate(GateShape):
    """The claims about the work must hold."""

    judged = "command"
    tree = "runs"
    label = "claims"
    with_git = ()
    configured_by = ()

    kind: Literal["claims"] = required_key(
        "`claims`: tests the claims under the run's work item; in a run without one, those under none."
    )
    stage: Label | None = optional(
        None, "Only tests that are meant for this stage; absent: all tests of a claim.", example="qa"
    )
    require: bool = optional(False, "Fail without a claim that has a test for the stage.", example=True)

    def lint(self, lint: GateLint) -> None:
        """None: what claims there are is known when the gate judges."""


class OpinionGate(GateShape):
    """Other models review the revision."""

    judged = "llm"
    tree = "unused"
    label = "opinion"
    with_git = ()
    configured_by = (
        ("", ("approver",)),
        ("allow_rewrite", ("allow_rewrite", "approver")),
        ("criteria", ("criteria",)),
    )

    kind: Literal["opinion"] = required_key("`opinion`: typed reviews by other models.")
    reviewers: Many[Label] = required_key(
        "Roles of the template, each one review.", example=["builder", "qa"], min_length=1
    )
    quorum: int = optional(1, "How many reviews must say `pass`; `concerns` does not count.", example=1, ge=1)
    if_missing: Literal["fail", "note"] = optional(
        "fail",
        "When no reviewer is configured in the project: `fail`, or only `note` it in the evidence.",
        example="note",
    )
    criteria: Prompt | None = optional(
        None,
        'What the reviewers should check: a text, or `{"file": "prompts/review.md"}`.',
        example="Is it as small as it can be?",
        effect="asks",
    )
    images: Many[Text] = optional(
        (),
        "Globs of images in the project that the reviewers also get, such as screenshots: "
        '`["shots/*.png"]`; at most 8, of 5 MB each. The model of the reviewer must accept images.',
        example=["shots/*.png"],
        effect="sends",
    )
    allow_rewrite: bool = optional(
        False,
        "Use what a reviewer suggests: before work it becomes the prompt of the next attempt, after work the next "
        "attempt gets it as feedback.",
        example=True,
    )
    on_provider_error: Literal["warn", "block"] = optional(
        "block", "When a reviewer cannot be reached: continue with a warning, or stop.", example="warn"
    )
    max_attempts: int = optional(3, "Attempts to reach a reviewer, in total.", example=2, ge=1, le=20)

    def lint(self, lint: GateLint) -> None:
        """Reviewers are models, each once; the quorum can be reached."""
        for position, reviewer in enumerate(self.reviewers):
            at = f"/reviewers/{position}"
            lint.needs_role(at, reviewer, of_model=True)
            if reviewer in self.reviewers[:position]:
                lint.error(at, f"reviewer {reviewer!r} is listed twice", None, reviewer)
        lint.needs_inside("/images", self.images)
        if self.quorum > len(self.reviewers):
            what = f"quorum {self.quorum} can never be reached with reviewers: {len(self.reviewers)}"
            lint.error("/quorum", what, len(self.reviewers), self.quorum)


class ApprovalGate(GateShape):
    """The user approves, bound to the sha256 of the revision."""

    judged = "person"
    tree = "unused"
    label = "approval"
    with_git = ()
    configured_by = (("", ("approver",)), ("people", ("people", "policy.people")))

    kind: Literal["approval"] = required_key("`approval`: the user must approve exactly these bytes.")
    assurance: Literal["agent", "client", "human", "passkey"] = optional(
        "human",
        "The least assurance of the approval's channel.",
        example="client",
        weakens=lambda value: value in {"agent", "client"},
        order=ASSURANCES,
    )
    people: int = optional(
        1,
        "How many different people approve the same revision, distinguished by the names of their pinned keys.",
        example=2,
        ge=1,
        le=MOST_PEOPLE,
    )
    expires: Duration | None = optional(None, "An approval is void after this time.", example="24h")
    phrase: str | None = optional(None, "A phrase the user must type.", example="YES MERGE", min_length=1)
    question: str | None = optional(
        None,
        "What the user is asked, in plain words; else that the phase is to be approved.",
        example="The issue is on HOLD. Continue anyway?",
        min_length=1,
    )

    def lint(self, lint: GateLint) -> None:
        """Several people are distinguished by their keys; an agent that approves by itself types no phrase."""
        if self.people > 1 and self.assurance not in PEOPLE_SIGN:
            what = f"{self.people} people are distinguished by their keys: 'assurance' is 'human' or 'passkey'"
            lint.error("/assurance", what, "human", self.assurance)
        if self.phrase is not None and self.assurance == "agent":
            lint.warn("/phrase", "no one types it: with the assurance 'agent' the agent approves by itself")


class PluginGate(GateShape):
    """A gate of an installed package."""

    effect = "runs"
    judged = "command"
    tree = "runs"
    label = "plugin"
    with_git = ()
    configured_by = ()

    kind: Literal["plugin"] = required_key(
        "`plugin`: a gate of an installed package (`wfe-mcp doctor` lists them).", effect="gates"
    )
    use: str = required_key(
        "Its name, `namespace.name`, from the entry-point group `wfe_mcp.gates`.", example="acme.no_todo", min_length=1
    )
    with_: Json[dict[str, Any]] = optional(
        {}, "The gate's settings, defined by the package.", example={"words": ["TODO", "FIXME"]}, alias="with"
    )

    def lint(self, lint: GateLint) -> None:
        """The package is installed and accepts the settings."""
        lint.needs_package(self.use, self.with_)


Gate = Annotated[
    Annotated[ExprGate, Tag("<expr>")]
    | Annotated[FilesGate, Tag("<files>")]
    | Annotated[GitGate, Tag("<git>")]
    | Annotated[ReportGate, Tag("<report>")]
    | Annotated[CommandGate, Tag("<command>")]
    | Annotated[ClaimsGate, Tag("<claims>")]
    | Annotated[OpinionGate, Tag("<opinion>")]
    | Annotated[ApprovalGate, Tag("<approval>")]
    | Annotated[PluginGate, Tag("<plugin>")],
    discriminate_by("kind"),
]

GATES = by_kind(get_args(member)[0] for member in get_args(get_args(Gate)[0]))
"""Every kind of gate by its name."""
