"""The kind of effect of each key of configuration and templates, or why a key has none.

A test walks the models: a key that is in neither table fails it.
"""

from collections.abc import Callable
from typing import Any, Literal

Kind = Literal[
    "gates", "runs", "starts", "passes", "writes", "calls", "sends", "tools", "roles", "policy", "reads", "skips",
    "spends", "sets", "asks",
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "gates", "runs", "starts", "passes", "writes", "calls", "sends", "tools", "roles", "policy", "reads", "skips",
    "spends", "sets", "asks",
)  # fmt: skip
"""In the order of a listing."""

HOLDS: frozenset[Kind] = frozenset({"gates", "policy", "runs", "reads", "roles", "spends"})
"""Gates and what they judge by, and limits: without one an agent is held less."""

ALLOWS: frozenset[Kind] = frozenset({"starts", "passes", "writes", "calls", "sends", "tools"})
"""What an agent or a check may do: without one it can do less."""

Key = tuple[str, str]

EFFECTS: dict[Key, Kind] = {
    # configuration
    ("CheckSettings", "argv"): "runs", ("CheckSettings", "cwd"): "runs", ("CheckSettings", "env"): "passes",
    ("CheckSettings", "junit"): "reads", ("CheckSettings", "coverage"): "reads", ("CheckSettings", "sarif"): "reads",
    ("CheckSettings", "writes"): "writes", ("CheckSettings", "where"): "gates", ("CheckSettings", "bring"): "reads",
    ("CheckSettings", "sandbox"): "gates", ("CheckSettings", "network"): "calls",
    ("McpServerSettings", "command"): "starts", ("McpServerSettings", "args"): "starts",
    ("McpServerSettings", "env"): "passes", ("McpServerSettings", "url"): "calls",
    ("ProviderSettings", "kind"): "roles", ("ProviderSettings", "enabled"): "roles",
    ("ProviderSettings", "base_url"): "calls", ("ProviderSettings", "key"): "passes",
    ("ProviderSettings", "argv"): "runs", ("ProviderSettings", "options"): "runs",
    ("RoleSettings", "provider"): "roles", ("RoleSettings", "model"): "roles", ("RoleSettings", "fallback"): "roles",
    ("ContextSettings", "files"): "sends", ("ContextSettings", "layers"): "sends", ("ContextSettings", "rules"): "sends",
    ("ContextSettings", "scopes"): "sends", ("ContextSettings", "prefixes"): "sends",
    ("PhaseSettings", "approver"): "gates", ("PhaseSettings", "allow_rewrite"): "gates",
    ("PhaseSettings", "role"): "roles", ("PhaseSettings", "provider"): "roles", ("PhaseSettings", "model"): "roles",
    ("PhaseSettings", "auto_proceed"): "sets", ("PhaseSettings", "max_retries"): "sets", ("PhaseSettings", "same_blocker"): "sets",
    ("StageSettings", "approver"): "gates", ("StageSettings", "allow_rewrite"): "gates", ("StageSettings", "model"): "roles",
    ("StageSettings", "criteria"): "gates", ("StageSettings", "max_retries"): "sets",
    ("TemplateSettings", "on_mismatch"): "gates", ("ArtifactSettings", "on_mismatch"): "gates",
    ("ToolSettings", "bash"): "tools", ("HttpSettings", "allow"): "calls", ("EnvSettings", "allow"): "passes",
    ("PolicySettings", "templates"): "policy",
    ("PolicySettings", "evidence"): "policy", ("UiSettings", "auto"): "starts", ("Settings", "auto"): "sets",
    ("BudgetSettings", "cost_per_run"): "spends", ("BudgetSettings", "cost_per_day"): "spends",
    ("BudgetSettings", "tokens_per_run"): "spends", ("BudgetSettings", "tokens_per_day"): "spends",
    # templates
    ("Role", "provider"): "roles", ("Webhook", "url"): "calls", ("Webhook", "events"): "calls",
    ("Limits", "max_cost"): "spends",
    ("PhaseKeys", "role"): "roles", ("PhaseKeys", "when"): "skips", ("PhaseKeys", "prompt"): "asks",
    ("PhaseKeys", "context"): "sends", ("PhaseKeys", "tools_allowed"): "tools", ("PhaseKeys", "skip"): "gates",
    ("PhaseKeys", "auto_proceed"): "sets", ("PhaseKeys", "enter"): "skips",
    ("Output", "write_to"): "writes", ("Output", "editable"): "sets", ("Output", "seal"): "gates",
    ("NextStep", "if_"): "skips", ("NextStep", "goto"): "skips",
    ("Step", "tool"): "calls", ("Step", "check"): "runs", ("Step", "builtin"): "runs", ("Step", "params"): "passes",
    ("HttpCall", "url"): "calls", ("HttpCall", "method"): "calls", ("HttpCall", "headers"): "passes",
    ("HttpCall", "body"): "sends", ("LlmCall", "role"): "roles", ("LlmCall", "prompt"): "sends",
    ("BundleRef", "bundle"): "sends", ("BundleRef", "scope"): "sends", ("BundleRef", "optional"): "sends",
    ("FlowPhase", "with_"): "passes", ("SubflowRule", "with_"): "passes",
    ("FlowPhase", "template"): "runs", ("SubflowRule", "template"): "runs",
    ("PluginGate", "use"): "runs", ("PluginGate", "with_"): "runs",
    ("ExprGate", "kind"): "gates", ("ExprGate", "assert_"): "gates",
    ("FilesGate", "kind"): "gates", ("FilesGate", "exist"): "gates", ("FilesGate", "unchanged"): "gates",
    ("FilesGate", "within"): "gates", ("FilesGate", "changed"): "gates", ("FilesGate", "changed_outside"): "gates",
    ("FilesGate", "since"): "gates",
    ("GitGate", "kind"): "gates", ("GitGate", "clean"): "gates", ("GitGate", "branch"): "gates",
    ("GitGate", "one_commit"): "gates", ("GitGate", "message"): "gates", ("GitGate", "fast_forward"): "gates",
    ("ReportGate", "kind"): "gates", ("ReportGate", "role"): "gates", ("ReportGate", "status"): "gates",
    ("CommandGate", "kind"): "gates", ("CommandGate", "check"): "gates", ("CommandGate", "if_missing"): "gates",
    ("CommandGate", "level"): "gates",
    ("Expect", "exit_code"): "gates", ("Expect", "fails"): "gates", ("Expect", "passes"): "gates",
    ("Expect", "failing_tests"): "gates", ("Expect", "min_tests"): "gates",
    ("Expect", "no_new_skips"): "gates", ("Expect", "coverage_floor"): "gates", ("Expect", "max_duration"): "gates",
    ("OpinionGate", "kind"): "gates", ("OpinionGate", "reviewers"): "gates", ("OpinionGate", "quorum"): "gates",
    ("OpinionGate", "if_missing"): "gates", ("OpinionGate", "criteria"): "asks", ("OpinionGate", "images"): "sends",
    ("OpinionGate", "allow_rewrite"): "gates", ("OpinionGate", "on_provider_error"): "gates",
    ("OpinionGate", "max_attempts"): "gates",
    ("ApprovalGate", "kind"): "gates", ("ApprovalGate", "assurance"): "gates", ("ApprovalGate", "expires"): "gates",
    ("ApprovalGate", "phrase"): "gates", ("PluginGate", "kind"): "gates",
}  # fmt: skip

_LIMIT = "a limit of time, size or number; it allows nothing"
_TEXT = "text for readers, without effect on a run"
_NAME = "the name of what the other keys describe"
_ORDER = "decides when or how often a phase or step runs; its own keys say what it does"
_FORM = "the form of data; it is validated, never executed"
_KIND = "its kind; the other keys say what it does"

NO_EFFECT: dict[Key, str] = {
    ("CheckSettings", "timeout"): _LIMIT, ("PhaseSettings", "timeout"): _LIMIT,
    ("ProviderSettings", "connect_timeout"): _LIMIT, ("ProviderSettings", "response_timeout"): _LIMIT,
    ("ProviderSettings", "total_timeout"): _LIMIT, ("ProviderSettings", "max_tokens"): _LIMIT,
    ("ProviderSettings", "concurrency"): _LIMIT, ("ProviderSettings", "requests_per_minute"): _LIMIT,
    ("ProviderSettings", "temperature"): "how much answers vary",
    ("ProviderSettings", "fs_ability"): "chooses a paragraph of the prompt; it gives no access",
    ("RoleSettings", "fs_ability"): "chooses a paragraph of the prompt; it gives no access",
    ("QueueSettings", "concurrency"): _LIMIT, ("QueueSettings", "per_minute"): _LIMIT, ("QueueSettings", "timeout"): _LIMIT,
    ("OutageSettings", "wait"): _LIMIT,
    ("CheckpointSettings", "keep"): _LIMIT, ("CheckpointSettings", "keep_for"): _LIMIT,
    ("CheckpointSettings", "file_limit"): _LIMIT, ("CheckpointSettings", "total_limit"): _LIMIT,
    ("CheckpointSettings", "file_count"): _LIMIT,
    ("ArtifactSettings", "hash_prompts"): "records more, allows nothing", ("RunSettings", "stale_after"): _LIMIT, ("RunSettings", "stuck_after"): _LIMIT,
    ("RetentionSettings", "runs"): "nothing is removed until the user runs prune",
    ("RetentionSettings", "keep"): "nothing is removed until the user runs prune",
    ("RetentionSettings", "archived_only"): "nothing is removed until the user runs prune",
    ("Template", "format"): _FORM, ("Template", "name"): _NAME, ("Template", "version"): _NAME,
    ("Template", "title"): _TEXT, ("Template", "description"): _TEXT, ("Template", "default"): "its place in lists",
    ("Template", "inputs"): _FORM, ("Template", "outputs"): _FORM,
    ("Role", "description"): _TEXT, ("ExprGate", "message"): _TEXT,
    ("Limits", "max_parallel"): _LIMIT, ("Limits", "max_iterations"): _LIMIT, ("Limits", "max_invalid"): _LIMIT,
    ("Limits", "timeout"): _LIMIT,
    ("PhaseBase", "id"): _NAME, ("PhaseKeys", "title"): _TEXT, ("PhaseKeys", "needs"): _ORDER,
    ("PhaseKeys", "timeout"): _LIMIT, ("PhaseKeys", "checkpoint"): "records more or less",
    ("PhaseKeys", "locks"): _ORDER, ("Defaults", "kind"): _KIND,
    ("AgentPhase", "kind"): _KIND, ("LlmPhase", "kind"): _KIND, ("HumanPhase", "kind"): _KIND,
    ("StepsPhase", "kind"): _KIND, ("LoopPhase", "kind"): _KIND, ("FlowPhase", "kind"): _KIND,
    ("FlowPhase", "definition"): "walked as a template of its own",
    ("SubflowRule", "definition"): "walked as a template of its own",
    ("Output", "artifact"): _NAME, ("Output", "schema_"): _FORM,
    ("ForEach", "in_"): _ORDER, ("ForEach", "as_"): _NAME, ("ForEach", "key"): _ORDER, ("ForEach", "order_by"): _ORDER,
    ("ForEach", "max_parallel"): _LIMIT, ("ForEach", "on_item_fail"): _ORDER,
    ("Until", "if_"): _ORDER, ("Until", "max"): _LIMIT,
    ("NextStep", "max"): _LIMIT,
    ("Step", "id"): _NAME, ("Step", "wait"): _LIMIT, ("Step", "assign"): _NAME, ("Step", "if_"): _ORDER,
    ("Step", "needs"): _ORDER, ("StepsPhase", "max_parallel"): _LIMIT,
    ("Template", "states"): _NAME, ("Template", "initial_state"): _NAME, ("PhaseBase", "reaches"): _NAME,
    ("Step", "timeout"): _LIMIT, ("Step", "continue_on_error"): _ORDER, ("Step", "idempotency_key"): _NAME,
    ("StepOutput", "schema_"): _FORM, ("HttpCall", "status"): _FORM,
    ("Retry", "max_attempts"): _ORDER, ("Retry", "backoff"): _ORDER, ("Retry", "initial"): _ORDER, ("Retry", "max"): _ORDER,
    ("StepRetry", "max_attempts"): _ORDER, ("StepRetry", "backoff"): _ORDER, ("StepRetry", "initial"): _ORDER,
    ("StepRetry", "max"): _ORDER,
    ("RetryRule", "do"): _ORDER, ("RetryRule", "max_attempts"): _ORDER, ("RetryRule", "stage"): _ORDER,
    ("GotoRule", "do"): _ORDER, ("GotoRule", "phase"): _ORDER, ("GotoRule", "max"): _ORDER,
    ("WaitHumanRule", "do"): _ORDER, ("SubflowRule", "do"): _ORDER, ("SubflowRule", "max_attempts"): _ORDER,
    ("SubflowRule", "same_blocker"): _ORDER,
    ("CompensateRule", "do"): _ORDER,
    ("BackoffRule", "do"): _ORDER, ("BackoffRule", "max_attempts"): _ORDER, ("BackoffRule", "initial"): _ORDER,
    ("BackoffRule", "max"): _ORDER, ("BackoffRule", "stage"): _ORDER,
    ("PauseRule", "do"): _ORDER, ("BlockRule", "do"): _ORDER, ("FailureRule", "do"): _ORDER,
}  # fmt: skip

WEAKENS: dict[Key, Callable[[Any], bool]] = {
    ("PhaseSettings", "approver"): lambda value: value != "human",
    ("PhaseSettings", "allow_rewrite"): lambda value: value is True,
    ("StageSettings", "approver"): lambda value: value != "human",
    ("StageSettings", "allow_rewrite"): lambda value: value is True,
    ("StageSettings", "model"): lambda _value: True,
    ("StageSettings", "criteria"): lambda _value: True,
    ("TemplateSettings", "on_mismatch"): lambda value: value == "warn",
    ("ArtifactSettings", "on_mismatch"): lambda value: value == "warn",
    ("PhaseKeys", "skip"): lambda value: value == "agent",
    ("ApprovalGate", "assurance"): lambda value: value in {"agent", "client"},
}
"""The values that remove or weaken a gate."""

NAMED_BY: dict[Key, str] = {
    ("Settings", "checks"): "check", ("Settings", "providers"): "provider", ("Settings", "roles"): "role",
    ("Settings", "mcp_servers"): "MCP server", ("Settings", "context"): "context", ("Settings", "templates"): "",
    ("Settings", "queues"): "queue", ("TemplateSettings", "phases"): "", ("TemplateSettings", "roles"): "role",
    ("Template", "roles"): "role", ("Template", "webhooks"): "webhook", ("PhaseKeys", "compensate"): "undo step",
    ("StepsPhase", "steps"): "step", ("PhaseKeys", "gates"): "gate", ("PhaseKeys", "prompt_gates"): "gate",
    ("PhaseKeys", "context"): "context", ("PhaseKeys", "next"): "jump", ("PhaseKeys", "on_fail"): "recovery",
    ("Step", "http"): "http", ("Step", "llm"): "model", ("CommandGate", "expect"): "",
    ("PhaseKeys", "output"): "output",
}  # fmt: skip
"""The noun before the name of a table, an item or a key."""
