"""The models of phases.

Every kind has the keys of ``PhaseKeys``; ``defaults`` has the same keys and supplies those that a phase omits.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from wfe_mcp.workflow.model.base import (
    Condition,
    Duration,
    Expression,
    Ident,
    Json,
    Label,
    Many,
    PhaseId,
    Prompt,
    SchemaRef,
    Shape,
    Text,
    discriminate_by,
    optional,
    required_key,
)
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workflow.model.rules import NextStep, OnFail, Retry, embedded_template
from wfe_mcp.workflow.model.steps import Step


class Output(Shape):
    """The artifact a phase produces."""

    artifact: Ident = required_key(
        "The artifact's name, unique in the template; expressions use `artifacts.<name>`.",
        example="change",
        effect="name",
    )
    schema_: SchemaRef = required_key(
        "A schema name such as `plan@1`, or an inline JSON Schema 2020-12; its root is an object.",
        example="change@1",
        effect="form",
        alias="schema",
    )
    editable: bool = optional(
        False,
        "The user may edit the mirror file before approval, which creates a new revision.",
        example=True,
        effect="sets",
    )
    seal: Literal["on_approval", "on_submit"] = optional(
        "on_approval", "When the sha256 of the artifact is sealed.", example="on_submit", effect="gates"
    )
    write_to: Text | None = optional(
        None,
        "A folder of the project that a file bundle is also written to, or a file for another artifact: a document to "
        "read where its name ends with `.md`, else JSON.",
        example="docs/change.md",
        effect="writes",
    )
    write_json: bool = optional(
        False,
        "Beside a document that `write_to` makes of another artifact, the artifact itself, under the same name with `.json`.",
        example=True,
        effect="writes",
    )


SERVER_TOOLS = ("read", "list", "search", "write", "edit", "run_check", "git", "git_commit", "bash")
"""The tools of a model that the server runs, implemented in ``engine/toolbox``."""


class BundleRef(Shape):
    """A standards bundle of the project's configuration, given with the prompt."""

    effect = "sends"

    bundle: Label = required_key(
        "The name of the bundle; its files are listed in trusted configuration (`[context.NAME]`).", example="java"
    )
    scope: Text | None = optional(
        None,
        "One of the bundle's scopes. `${…}` can use only `inputs`: the bundle is frozen when the run starts.",
        example="api",
    )
    optional: bool = optional(False, "The run also starts in a project without such a bundle.", example=True)


def _context_kind(entry: object) -> str:
    return "<bundle>" if isinstance(entry, dict | BundleRef) else "<text>"


Handed = Annotated[Annotated[str, Tag("<text>")] | Annotated[BundleRef, Tag("<bundle>")], Discriminator(_context_kind)]
"""An entry of ``context``: an earlier artifact or a bundle by its name, or a bundle with its scope."""


class PhaseKeys(Shape):
    """The keys of every kind of phase."""

    effect = "skips"

    title: str = optional("", "One line for readers.", example="Build what was planned", effect="text")
    role: Label | None = optional(None, "Who works, one of the template's `roles`.", example="builder", effect="roles")
    needs: Many[str] | None = optional(
        None,
        "Phases of the same list that must end first; absent: the one before, `[]`: none.",
        example=["plan"],
        effect="order",
    )
    when: Condition | None = optional(
        None, "False skips the phase. Exactly one `${…}`.", example="${size(artifacts.plan.steps) > 1}"
    )
    prompt: Prompt | None = optional(
        None,
        "What to do; `${…}` is evaluated once. Absent: built from title and output.",
        example="Build this, first ${artifacts.plan.steps[0].title}",
        effect="asks",
    )
    context: Many[Handed] = optional(
        (),
        "Earlier artifacts and standards bundles by name, given with the prompt as data.",
        example=["plan"],
        effect="sends",
        noun="context",
    )
    output: Output | None = optional(
        None,
        "The artifact to produce; agent, llm and human phases need it.",
        example={"artifact": "change", "schema": "change@1"},
        noun="output",
    )
    prompt_gates: Many[Gate] = optional(
        (), "Gates before work, in order.", example=[{"kind": "approval", "assurance": "human"}], noun="gate"
    )
    gates: Many[Gate] = optional(
        (),
        "Gates on a submitted revision, in order; the schema is checked first.",
        example=[{"kind": "command", "check": "test"}, {"kind": "git", "clean": True}],
        noun="gate",
    )
    on_fail: Many[OnFail] | None = optional(
        None,
        "What to do when an attempt fails: the first rule that applies. Default: retry 3, wait_human.",
        example=[{"do": "retry", "max_attempts": 3}, {"do": "wait_human"}],
        noun="recovery",
    )
    next: Many[NextStep] = optional(
        (),
        "Jumps, evaluated once when the attempt completes; no match: dependants.",
        example=[{"if": "${size(artifacts.change.files) == 0}", "goto": "plan", "max": 2}],
        noun="jump",
    )
    timeout: Duration | None = optional(None, "A running attempt fails after this time.", example="30m", effect="limit")
    retry: Retry | None = optional(None, "Attempts before the rules of `on_fail`.", example={"max_attempts": 2})
    tools_allowed: Many[str] = optional(
        (),
        "Tools the worker should use; empty: no limit. Where the server does the work, its own tools: "
        "`read` `list` `search` `write` `edit` `run_check` `git` `git_commit` `bash`; empty: all but the last two.",
        example=["Read", "Grep"],
        effect="tools",
    )
    auto_proceed: bool | None = optional(
        None,
        "Whether the run continues automatically after this phase; absent: as set for the run.",
        example=False,
        effect="sets",
    )
    skip: Literal["never", "human", "agent"] = optional(
        "human",
        "Who may skip the phase; what follows waits for what the skipped one needs, too. No one may skip a loop or flow with a phase "
        "inside that says `never`.",
        example="never",
        effect="gates",
        weakens=lambda value: value == "agent",
    )
    checkpoint: bool = optional(True, "Keep a checkpoint when the phase completes.", example=False, effect="limit")
    locks: Many[Text] = optional(
        (),
        "Names that no two phases of the project hold at once, from claim to completion; a list names several.",
        example=["database"],
        effect="order",
    )
    enter: Literal["needs", "goto_only"] = optional(
        "needs",
        "`needs`: starts when its needs have ended; `goto_only`: skipped unless a jump leads to it.",
        example="goto_only",
    )
    compensate: Many[Step] = optional(
        (),
        "Steps that undo the phase.",
        example=[{"id": "undo", "builtin": "log", "params": {"message": "undone"}}],
        noun="undo step",
    )


class Defaults(PhaseKeys):
    """Defaults of phase keys."""

    kind: Literal["agent", "llm", "steps", "human", "loop", "flow"] | None = optional(
        None, "The kind of phases without one.", effect="name"
    )


class PhaseBase(PhaseKeys):
    """A phase of any kind."""

    effect = "name"

    id: PhaseId = required_key("The phase's id, unique in its list: letters, digits, `_` and `-`.", example="build")
    delivery: Literal["with", "without"] | None = optional(
        None,
        "Where the phase is: only in projects that deliver changes (`with`), or only in others (`without`). Absent: in "
        "both, but one of steps that only deliver is `with`.",
        example="without",
        effect="skips",
    )
    begins: Label | None = optional(
        None,
        "The one of the template's `states` that the run is in from when this phase first begins until it has completed.",
        example="BUILDING",
    )
    reaches: Label | None = optional(
        None, "The one of the template's `states` that the run is in once this phase has completed.", example="BUILT"
    )


class AgentPhase(PhaseBase):
    """The connected client works."""

    kind: Literal["agent"] = optional("agent", "`agent`: the connected client works.", effect="name")


class LlmPhase(PhaseBase):
    """The server runs a model with tools."""

    kind: Literal["llm"] = required_key("`llm`: the server runs a model with tools.", effect="name")


class HumanPhase(PhaseBase):
    """The user supplies the artifact."""

    kind: Literal["human"] = required_key("`human`: the user supplies the artifact through a form.", effect="name")


class StepsPhase(PhaseBase):
    """The server calls tools, checks and HTTP."""

    kind: Literal["steps"] = required_key("`steps`: the server calls tools, checks and HTTP.", effect="name")
    steps: Many[Step] = required_key(
        "What to do, in order, or by the `needs` of each step.",
        example=[{"id": "issue", "tool": "github.get_issue", "params": {"number": "${inputs.number}"}}],
        noun="step",
        min_length=1,
    )
    max_parallel: int = optional(
        4, "Steps that run at the same time, where `needs` allow it.", example=2, effect="limit", ge=1, le=16
    )


class ForEach(Shape):
    """Iterate over items; they are evaluated once when the loop opens."""

    in_: Expression = required_key(
        "The list of items, exactly one `${…}`.", example="${artifacts.plan.steps}", effect="order", alias="in"
    )
    as_: Ident | None = optional(
        None,
        "The name of the item's value; `item.value` is always there. `item.index` counts from 0.",
        example="step",
        effect="name",
        alias="as",
    )
    key: Expression | None = optional(
        None,
        "The item's key, exactly one `${…}`; unique. Default: the item's `id`, else its index.",
        example="${step.id}",
        effect="order",
    )
    order_by: Ident | None = optional(
        None,
        "A field of the items that orders them; a list of keys means after those.",
        example="depends_on",
        effect="order",
    )
    max_parallel: int = optional(1, "Items worked at the same time.", example=2, effect="limit", ge=1)
    on_item_fail: Literal["block", "continue"] = optional(
        "block", "Stop the loop, or continue with the others.", example="continue", effect="order"
    )


class Until(Shape):
    """Repeat the body until a condition holds."""

    if_: Condition = required_key(
        "Evaluated after each pass; true ends the loop. `item.index` counts from 0.",
        example="${item.index > 1}",
        effect="order",
        alias="if",
    )
    max: int = required_key("Passes at most.", example=3, effect="limit", ge=1)


class LoopPhase(PhaseBase):
    """Phases for each item, or until a condition holds: exactly one of ``for_each`` and ``until``."""

    kind: Literal["loop"] = required_key("`loop`: `for_each` or `until`, over `phases`.", effect="name")
    for_each: ForEach | None = optional(
        None, "Iterate over items.", example={"in": "${artifacts.plan.steps}", "as": "step"}
    )
    until: Until | None = optional(
        None, "Repeat until a condition holds.", example={"if": "${size(artifacts.change.files) > 0}", "max": 3}
    )
    phases: "Many[Phase]" = required_key(
        "The body of the loop.",
        example=[{"id": "code", "prompt": "Do it.", "output": {"artifact": "change", "schema": "change@1"}}],
        min_length=1,
    )


class FlowPhase(PhaseBase):
    """An embedded template."""

    kind: Literal["flow"] = required_key("`flow`: runs another template inside.", effect="name")
    template: str = required_key(
        "The template to run, `name` or `name@version`.", example="quick_fix", effect="runs", min_length=1
    )
    with_: Json[dict[str, Any]] = optional(
        {}, "Its inputs.", example={"problem": "${inputs.goal}"}, effect="passes", alias="with"
    )
    definition: dict[str, Any] | None = embedded_template()


Phase = Annotated[
    Annotated[AgentPhase, Tag("<agent>")]
    | Annotated[LlmPhase, Tag("<llm>")]
    | Annotated[StepsPhase, Tag("<steps>")]
    | Annotated[HumanPhase, Tag("<human>")]
    | Annotated[LoopPhase, Tag("<loop>")]
    | Annotated[FlowPhase, Tag("<flow>")],
    discriminate_by("kind", "agent"),
]
