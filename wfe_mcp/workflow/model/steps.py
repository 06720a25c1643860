"""The models of steps; ``step_kinds`` has the table of their kinds."""

from typing import Any, Literal

from wfe_mcp.core.parts import require_parts
from wfe_mcp.workflow.model.base import (
    Condition,
    Duration,
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
    required_key,
)
from wfe_mcp.workflow.model.rules import StepRetry
from wfe_mcp.workflow.step_kinds import STEP_KINDS

BUILTINS = ("fail", "log", "set")
"""The built-in actions of steps, implemented in ``tools/builtins.py``."""


class LlmCall(Shape):
    """One model call of a step."""

    role: Label = required_key(
        "The role that answers, one of the template's `roles`.", example="builder", effect="roles"
    )
    prompt: Prompt = required_key("What to ask.", example="Sum this up: ${inputs.goal}", effect="sends")


class HttpCall(Shape):
    """One HTTP request of a step."""

    effect = "calls"

    url: Text = required_key(
        "The address; plain http only to origins that configuration allows.",
        example="https://example.org/deploys/${inputs.number}",
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = optional(
        "GET", "The HTTP method.", example="POST"
    )
    headers: Json[dict[str, Any]] = optional(
        {}, "Headers by name.", example={"Accept": "application/json"}, effect="passes"
    )
    body: Json[Any] = optional(None, "The JSON body.", example={"goal": "${inputs.goal}"}, effect="sends")
    status: int | None = optional(
        None, "The required status; default any 2xx.", example=201, effect="form", ge=100, le=599
    )


class StepOutput(Shape):
    """The required form of a step's result."""

    schema_: SchemaRef = required_key(
        "A schema name or an inline JSON Schema for the result.",
        example={"type": "object", "required": ["title"]},
        effect="form",
        alias="schema",
    )


class Step(Shape):
    """One action of the server: exactly one of ``tool``, ``check``, ``http``, ``builtin``, ``wait``, ``llm``."""

    id: PhaseId = required_key("The step's id, unique in its phase.", example="issue", effect="name")
    tool: str | None = optional(
        None, "`server.tool`: a tool of a configured MCP server.", example="github.get_issue", effect="calls"
    )
    check: Label | None = optional(None, "A check of the project's configuration.", example="test", effect="runs")
    http: HttpCall | None = optional(
        None, "An HTTP request.", example={"url": "https://example.org/health"}, noun="http"
    )
    builtin: str | None = optional(
        None,
        "A built-in action (`set`, `fail`, `log`; `git.…` delivers the change), or `namespace.name` of an installed package.",
        example="log",
        effect="runs",
        min_length=1,
    )
    wait: Duration | None = optional(None, "Wait this long.", example="30s", effect="limit")
    llm: LlmCall | None = optional(
        None, "A model call.", example={"role": "builder", "prompt": "Sum this up: ${inputs.goal}"}, noun="model"
    )
    params: Json[dict[str, Any]] = optional(
        {}, "Parameters of the tool or built-in action.", example={"number": "${inputs.number}"}, effect="passes"
    )
    needs: Many[PhaseId] | None = optional(
        None,
        "Earlier steps of the phase that must end first; absent: the one before, `[]`: none.",
        example=[],
        effect="order",
    )
    assign: Ident | None = optional(
        None, "The result becomes `vars.<name>` for the steps that need this one.", example="issue", effect="name"
    )
    if_: Condition | None = optional(
        None, "The step runs only when this is true.", example="${inputs.number > 0}", effect="order", alias="if"
    )
    retry: StepRetry | None = optional(
        None, "Retries of this step.", example={"max_attempts": 3, "backoff": "exponential"}
    )
    timeout: Duration | None = optional(None, "The step may take at most this long.", example="30s", effect="limit")
    continue_on_error: bool = optional(
        False, "The next step runs although this one failed.", example=True, effect="order"
    )
    idempotency_key: Text | None = optional(
        None,
        "A key sent with the call, so that a repeated call has one effect.",
        example="${run.id}-branch",
        effect="name",
    )
    output: StepOutput | None = optional(
        None, "The schema of the result.", example={"schema": {"type": "object", "required": ["title"]}}
    )

    @property
    def kind(self) -> str:
        """The key that says what the step does; lint sees that there is exactly one."""
        return next(kind for kind in STEP_KINDS if getattr(self, kind) is not None)

    @property
    def does(self) -> str:
        """What the step calls, as text: its kind and a name."""
        value, named_by = getattr(self, self.kind), STEP_KINDS[self.kind].named_by
        return f"{self.kind} {getattr(value, named_by) if named_by else value}"


require_parts("step kind", ((kind, "its key in Step") for kind in STEP_KINDS if kind not in Step.model_fields))
