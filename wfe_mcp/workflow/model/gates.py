"""The models of gates."""

from typing import Annotated, Any, Literal, cast

from pydantic import Field, Tag

from wfe_mcp.workflow.model.base import (
    Condition,
    Duration,
    Json,
    Label,
    Many,
    Prompt,
    Shape,
    Text,
    choice,
    optional,
    tagged,
)


def _is_exit_code(value: object) -> bool:
    return value == "nonzero" or (isinstance(value, int) and not isinstance(value, bool))


def _is_failing_tests(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, str) and entry.strip() for entry in cast("list[object]", value))
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_test_names(value: object) -> bool:
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    return all(isinstance(name, str) and name.strip() for name in names)


_TEST_NAMES = choice(
    "must be the id of a test, a list of ids, or one expression that gives them",
    _are_test_names,
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]
    },
)


def _is_fast_forward(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and bool(value))


class ExprGate(Shape):
    """An expression must be true."""

    kind: Literal["expr"] = Field(description="`expr`: an expression must be true.")
    assert_: Condition = Field(
        alias="assert", description="The condition, exactly one `${…}`. It sees the revision under judgement."
    )
    message: Text | None = optional(None, "What the agent reads when the condition is false.")


class FilesGate(Shape):
    """Files must exist, must be changed or unchanged, or must be the only changed ones."""

    kind: Literal["files"] = Field(
        description="`files`: compares the project's files with those at the start; `.wfe/` never counts."
    )
    exist: Many[Text] = optional((), "Globs; each must match at least one file.")
    unchanged: Many[Text] = optional((), "Globs; no matching file may be modified, created or deleted.")
    within: Many[Text] = optional(
        (), "Globs; every changed file must match one of them. Where it is empty, no file may change."
    )
    changed: Many[Text] = optional((), "Globs; at least one changed file must match one of them. `**` is any file.")
    changed_outside: Many[Text] = optional((), "Globs; at least one changed file must match none of them.")
    since: Literal["phase", "run"] = optional(
        "phase", "The start that changes count from: of this `phase` (retries included), or of the `run`."
    )


class GitGate(Shape):
    """The repository must be in a certain state."""

    kind: Literal["git"] = Field(description="`git`: the state of the repository.")
    clean: bool = optional(False, "Nothing is uncommitted; `.wfe/` does not count.")
    branch: Text | None = optional(None, "The branch that must be checked out; globs are allowed.")
    one_commit: bool = optional(False, "Exactly one commit was added since the attempt's start.")
    message: Text | None = optional(None, "The first line of the newest commit must begin with this text.")
    fast_forward: Annotated[
        bool | str,
        *choice(
            "must be true, false or the name of a branch",
            _is_fast_forward,
            {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]},
        ),
    ] = optional(
        False, "`true`: HEAD descends from the commit at the attempt's start. A branch name: HEAD descends from it."
    )


class ReportGate(Shape):
    """The submitted report must have a certain status."""

    kind: Literal["report"] = Field(description="`report`: judges the `status` and `role` of the submitted report.")
    role: Label | None = optional(None, "The role the report must come from, one of the template's `roles`.")
    status: str = optional("pass", "The status the report must have.", min_length=1)


class Expect(Shape):
    """The required result of a check."""

    exit_code: Annotated[
        int | str | None,
        *choice(
            'must be a number or "nonzero"',
            _is_exit_code,
            {"anyOf": [{"type": "integer"}, {"const": "nonzero"}]},
        ),
    ] = optional(None, 'A number or `"nonzero"`. Default: 0; any exit code where `fails` or `failing_tests` is given.')
    fails: Annotated[str | tuple[Text, ...] | None, *_TEST_NAMES] = optional(
        None,
        "Ids or globs of tests; each must be among the failing tests. Other tests may fail too. In a name "
        "from an expression, `*` is an ordinary character.",
    )
    passes: Annotated[str | tuple[Text, ...] | None, *_TEST_NAMES] = optional(
        None,
        "Ids or globs of tests; each must be among the tests that passed. In a name from an expression, `*` "
        "is an ordinary character.",
    )
    failing_tests: Annotated[
        int | str | tuple[Text, ...] | None,
        *choice(
            'must be a number of tests, a list of test ids, "some", or one expression that gives the list',
            _is_failing_tests,
            {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}},
                ]
            },
        ),
    ] = optional(None, 'Tests that must fail: exactly this number, the ones with these ids or globs, or `"some"`.')
    min_tests: int | None = optional(None, "At least this many tests must have run; skipped ones did not.", ge=1)
    no_new_skips: bool = optional(
        False,
        "No more tests are skipped than when this check last passed before the run, else first ran in it; "
        "without an earlier result, that is noted.",
    )
    coverage_floor: float | None = optional(None, "Least line coverage in percent.", ge=0, le=100)
    max_duration: Duration | None = optional(None, "The check may take at most this long.")


class CommandGate(Shape):
    """A check of the project's configuration must have the expected result."""

    kind: Literal["command"] = Field(description="`command`: runs a check of the project's configuration.")
    check: Label = Field(description="The name of the check; its command line is in trusted configuration.")
    if_missing: Literal["fail", "note"] = optional(
        "fail", "When the project has no such check: `fail`, or only `note` it in the evidence."
    )
    level: Literal["worktree", "checkout", "sandbox", "runner"] | None = optional(
        None,
        "The least level of evidence: where the check must have run. `worktree` says that the agent's own folder "
        "is enough; `checkout`, `sandbox`, `runner` ask for more.",
    )
    expect: Expect = optional(Expect(), "The required result; by default exit code 0.")


class OpinionGate(Shape):
    """Other models review the revision."""

    kind: Literal["opinion"] = Field(description="`opinion`: typed reviews by other models.")
    reviewers: Many[Label] = Field(min_length=1, description="Roles of the template, each one review.")
    quorum: int = optional(1, "How many reviews must say `pass`; `concerns` does not count.", ge=1)
    if_missing: Literal["fail", "note"] = optional(
        "fail", "When no reviewer is configured in the project: `fail`, or only `note` it in the evidence."
    )
    criteria: Prompt | None = optional(
        None, 'What the reviewers should check: a text, or `{"file": "prompts/review.md"}`.'
    )
    images: Many[Text] = optional(
        (),
        "Globs of images in the project that the reviewers also get, such as screenshots: "
        '`["shots/*.png"]`; at most 8, of 5 MB each. The model of the reviewer must accept images.',
    )
    allow_rewrite: bool = optional(
        False,
        "Use what a reviewer suggests: before work it becomes the prompt of the next attempt, after work the next "
        "attempt gets it as feedback.",
    )
    on_provider_error: Literal["warn", "block"] = optional(
        "block", "When a reviewer cannot be reached: continue with a warning, or stop."
    )
    max_attempts: int = optional(3, "Attempts to reach a reviewer, in total.", ge=1, le=20)


class ApprovalGate(Shape):
    """The user approves, bound to the sha256 of the revision."""

    kind: Literal["approval"] = Field(description="`approval`: the user must approve exactly these bytes.")
    assurance: Literal["agent", "client", "human", "passkey"] = optional(
        "human", "The least assurance of the approval's channel."
    )
    expires: Duration | None = optional(None, "An approval is void after this time.")
    phrase: str | None = optional(None, "A phrase the user must type.", min_length=1)


class PluginGate(Shape):
    """A gate of an installed package."""

    kind: Literal["plugin"] = Field(
        description="`plugin`: a gate of an installed package (`wfe-mcp doctor` lists them)."
    )
    use: str = Field(
        min_length=1, description="Its name, `namespace.name`, from the entry-point group `wfe_mcp.gates`."
    )
    with_: Json[dict[str, Any]] = optional({}, "The gate's settings, defined by the package.", alias="with")


Gate = Annotated[
    Annotated[ExprGate, Tag("<expr>")]
    | Annotated[FilesGate, Tag("<files>")]
    | Annotated[GitGate, Tag("<git>")]
    | Annotated[ReportGate, Tag("<report>")]
    | Annotated[CommandGate, Tag("<command>")]
    | Annotated[OpinionGate, Tag("<opinion>")]
    | Annotated[ApprovalGate, Tag("<approval>")]
    | Annotated[PluginGate, Tag("<plugin>")],
    tagged("kind"),
]
