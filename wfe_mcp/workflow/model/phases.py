"""The models of phases and steps.

Every kind has the keys of ``PhaseKeys``; ``defaults`` has the same keys and supplies those that a phase omits.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

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
    optional,
    tagged,
)
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workflow.model.rules import NextStep, OnFail, Retry, StepRetry


class Output(Shape):
    """The artifact a phase produces."""

    artifact: Ident = Field(
        description="The artifact's name, unique in the template; expressions use `artifacts.<name>`."
    )
    schema_: SchemaRef = Field(
        alias="schema",
        description="A schema name such as `plan@1`, or an inline JSON Schema 2020-12; its root is an object.",
    )
    editable: bool = optional(False, "The user may edit the mirror file before approval, which creates a new revision.")
    seal: Literal["on_approval", "on_submit"] = optional("on_approval", "When the sha256 of the artifact is sealed.")
    write_to: Text | None = optional(
        None, "A folder of the project that a file bundle (or file that a document) is also written to."
    )


BUILTINS = ("fail", "log", "set")
"""The built-in actions of steps, implemented in ``tools/builtins.py``."""


SERVER_TOOLS = ("read", "list", "search", "write", "edit", "run_check", "git", "git_commit", "bash")
"""The tools of a model that the server runs, implemented in ``engine/toolbox``."""


class LlmCall(Shape):
    """One model call of a step."""

    role: Label = Field(description="The role that answers, one of the template's `roles`.")
    prompt: Prompt = Field(description="What to ask.")


class HttpCall(Shape):
    """One HTTP request of a step."""

    url: Text = Field(description="The address; plain http only to origins that configuration allows.")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = optional("GET", "The HTTP method.")
    headers: Json[dict[str, Any]] = optional({}, "Headers by name.")
    body: Json[Any] = optional(None, "The JSON body.")
    status: int | None = optional(None, "The required status; default any 2xx.", ge=100, le=599)


class StepOutput(Shape):
    """The required form of a step's result."""

    schema_: SchemaRef = Field(alias="schema", description="A schema name or an inline JSON Schema for the result.")


class Step(Shape):
    """One action of the server: exactly one of ``tool``, ``check``, ``http``, ``builtin``, ``wait``, ``llm``."""

    id: PhaseId = Field(description="The step's id, unique in its phase.")
    tool: str | None = optional(None, "`server.tool`: a tool of a configured MCP server.")
    check: Label | None = optional(None, "A check of the project's configuration.")
    http: HttpCall | None = optional(None, "An HTTP request.")
    builtin: str | None = optional(
        None, "A built-in action (`set`, `fail`, `log`), or `namespace.name` of an installed package.", min_length=1
    )
    wait: Duration | None = optional(None, "Wait this long.")
    llm: LlmCall | None = optional(None, "A model call.")
    params: Json[dict[str, Any]] = optional({}, "Parameters of the tool or built-in action.")
    needs: Many[PhaseId] | None = optional(
        None, "Earlier steps of the phase that must end first; absent: the one before, `[]`: none."
    )
    assign: Ident | None = optional(None, "The result becomes `vars.<name>` for the steps that need this one.")
    if_: Condition | None = optional(None, "The step runs only when this is true.", alias="if")
    retry: StepRetry | None = optional(None, "Retries of this step.")
    timeout: Duration | None = optional(None, "The step may take at most this long.")
    continue_on_error: bool = optional(False, "The next step runs although this one failed.")
    idempotency_key: Text | None = optional(None, "A key sent with the call, so that a repeated call has one effect.")
    output: StepOutput | None = optional(None, "The schema of the result.")


class BundleRef(Shape):
    """A standards bundle of the project's configuration, given with the prompt."""

    bundle: Label = Field(
        description="The name of the bundle; its files are listed in trusted configuration (`[context.NAME]`)."
    )
    scope: Text | None = optional(
        None, "One of the bundle's scopes. `${…}` can use only `inputs`: the bundle is frozen when the run starts."
    )
    optional: bool = optional(False, "The run also starts in a project without such a bundle.")


def _context_kind(entry: object) -> str:
    return "<bundle>" if isinstance(entry, dict | BundleRef) else "<text>"


Handed = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[BundleRef, Tag("<bundle>")],
    Discriminator(_context_kind),
]
"""An entry of ``context``: an earlier artifact or a bundle by its name, or a bundle with its scope."""


class PhaseKeys(Shape):
    """The keys of every kind of phase."""

    title: str = optional("", "One line for readers.")
    role: Label | None = optional(None, "Who works, one of the template's `roles`.")
    needs: Many[str] | None = optional(
        None, "Phases of the same list that must end first; absent: the one before, `[]`: none."
    )
    when: Condition | None = optional(None, "False skips the phase. Exactly one `${…}`.")
    prompt: Prompt | None = optional(None, "What to do; `${…}` is evaluated once. Absent: built from title and output.")
    context: Many[Handed] = optional(
        (), "Earlier artifacts and standards bundles by name, given with the prompt as data."
    )
    output: Output | None = optional(None, "The artifact to produce; agent, llm and human phases need it.")
    prompt_gates: Many[Gate] = optional((), "Gates before work, in order.")
    gates: Many[Gate] = optional((), "Gates on a submitted revision, in order; the schema is checked first.")
    on_fail: Many[OnFail] | None = optional(
        None, "What to do when an attempt fails: the first rule that applies. Default: retry 3, wait_human."
    )
    next: Many[NextStep] = optional((), "Jumps, evaluated once when the attempt completes; no match: dependants.")
    timeout: Duration | None = optional(None, "A running attempt fails after this time.")
    retry: Retry | None = optional(None, "Attempts before the rules of `on_fail`.")
    tools_allowed: Many[str] = optional(
        (),
        "Tools the worker should use; empty: no limit. Where the server does the work, its own tools: "
        "`read` `list` `search` `write` `edit` `run_check` `git` `git_commit` `bash`; empty: all but the last two.",
    )
    auto_proceed: bool | None = optional(
        None, "Whether the run continues automatically after this phase; absent: as set for the run."
    )
    skip: Literal["never", "human", "agent"] = optional("human", "Who may skip the phase.")
    checkpoint: bool = optional(True, "Keep a checkpoint when the phase completes.")
    locks: Many[Text] = optional(
        (), "Names that no two phases of the project hold at once, from claim to completion; a list names several."
    )
    enter: Literal["needs", "goto_only"] = optional(
        "needs", "`needs`: starts when its needs have ended; `goto_only`: skipped unless a jump leads to it."
    )
    compensate: Many[Step] = optional((), "Steps that undo the phase.")


class Defaults(PhaseKeys):
    """Defaults of phase keys."""

    kind: Literal["agent", "llm", "steps", "human", "loop", "flow"] | None = optional(
        None, "The kind of phases without one."
    )


class PhaseBase(PhaseKeys):
    """A phase of any kind."""

    id: PhaseId = Field(description="The phase's id, unique in its list: letters, digits, `_` and `-`.")
    reaches: Label | None = optional(
        None, "The one of the template's `states` that the run is in once this phase has completed."
    )


class AgentPhase(PhaseBase):
    """The connected client works."""

    kind: Literal["agent"] = optional("agent", "`agent`: the connected client works.")


class LlmPhase(PhaseBase):
    """The server runs a model with tools."""

    kind: Literal["llm"] = Field(description="`llm`: the server runs a model with tools.")


class HumanPhase(PhaseBase):
    """The user supplies the artifact."""

    kind: Literal["human"] = Field(description="`human`: the user supplies the artifact through a form.")


class StepsPhase(PhaseBase):
    """The server calls tools, checks and HTTP."""

    kind: Literal["steps"] = Field(description="`steps`: the server calls tools, checks and HTTP.")
    steps: Many[Step] = Field(min_length=1, description="What to do, in order, or by the `needs` of each step.")
    max_parallel: int = optional(4, "Steps that run at the same time, where `needs` allow it.", ge=1, le=16)


class ForEach(Shape):
    """Iterate over items; they are evaluated once when the loop opens."""

    in_: Expression = Field(alias="in", description="The list of items, exactly one `${…}`.")
    as_: Ident | None = optional(
        None, "The name of the item's value; `item.value` is always there. `item.index` counts from 0.", alias="as"
    )
    key: Expression | None = optional(
        None, "The item's key, exactly one `${…}`; unique. Default: the item's `id`, else its index."
    )
    order_by: Ident | None = optional(None, "A field of the items that orders them; a list of keys means after those.")
    max_parallel: int = optional(1, "Items worked at the same time.", ge=1)
    on_item_fail: Literal["block", "continue"] = optional("block", "Stop the loop, or continue with the others.")


class Until(Shape):
    """Repeat the body until a condition holds."""

    if_: Condition = Field(
        alias="if", description="Evaluated after each pass; true ends the loop. `item.index` counts from 0."
    )
    max: int = Field(ge=1, description="Passes at most.")


class LoopPhase(PhaseBase):
    """Phases for each item, or until a condition holds: exactly one of ``for_each`` and ``until``."""

    kind: Literal["loop"] = Field(description="`loop`: `for_each` or `until`, over `phases`.")
    for_each: ForEach | None = optional(None, "Iterate over items.")
    until: Until | None = optional(None, "Repeat until a condition holds.")
    phases: "Many[Phase]" = Field(min_length=1, description="The body of the loop.")


class FlowPhase(PhaseBase):
    """An embedded template."""

    kind: Literal["flow"] = Field(description="`flow`: runs another template inside.")
    template: str = Field(min_length=1, description="The template to run, `name` or `name@version`.")
    with_: Json[dict[str, Any]] = optional({}, "Its inputs.", alias="with")
    definition: dict[str, Any] | None = optional(
        None, "The template itself; embedded when a run starts, so that no later version changes it."
    )


Phase = Annotated[
    Annotated[AgentPhase, Tag("<agent>")]
    | Annotated[LlmPhase, Tag("<llm>")]
    | Annotated[StepsPhase, Tag("<steps>")]
    | Annotated[HumanPhase, Tag("<human>")]
    | Annotated[LoopPhase, Tag("<loop>")]
    | Annotated[FlowPhase, Tag("<flow>")],
    tagged("kind", "agent"),
]
