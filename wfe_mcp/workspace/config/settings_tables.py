"""The tables of config.toml; the user's and the project's have the same shape (design §5).

The descriptions are the reference page's text: docs/reference/configuration.md is made from them.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wfe_mcp.workspace.config.checks import CheckSettings, Duration, Name, Variable
from wfe_mcp.workspace.config.context_bundles import ContextSettings
from wfe_mcp.workspace.config.limit_tables import (
    BudgetSettings,
    CheckpointSettings,
    LimitedQueue,
    OutageSettings,
    QueueSettings,
)
from wfe_mcp.workspace.config.origins import origin_fault
from wfe_mcp.workspace.config.provider_tables import ProviderSettings, RoleSettings


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class McpServerSettings(_Table):
    """One ``[mcp_servers.<name>]`` table: a ``command`` to start, or the ``url`` of one that runs (never both).

    ``env``: names of variables that the command may see.
    """

    command: str | None = Field(default=None, description="The program of the server; it is started for each call.")
    args: list[str] = Field(default=[], description="Its arguments.")
    env: list[Variable] = Field(
        default=[], description='Names of variables that it may see, never values: `["GITHUB_TOKEN"]`.'
    )
    url: str | None = Field(
        default=None,
        description="Instead of `command`: the address of a server that runs, https or an origin that `[http] allow` names.",
    )

    def fault(self, allow: list[str]) -> str:
        """Why the server cannot be used; empty when it can. ``allow``: origins that may be reached over plain http."""
        if (self.command is None) == (self.url is None):
            return "needs exactly one of 'command' and 'url'"
        return "" if self.url is None else origin_fault(self.url, allow)

    def frozen(self, name: str) -> "FrozenServer":
        """The server as a run freezes it."""
        return FrozenServer(name=name, command=self.command, args=self.args, env=self.env, url=self.url)


class FrozenServer(_Table):
    """An MCP server as it was when the run started."""

    name: str
    command: str | None = None
    args: list[str] = []
    env: list[str] = []
    url: str | None = None


class StageSettings(_Table):
    """``[templates.<template>.phases.<phase>.prompt]`` or ``.response``: what changes at one stage of a phase alone.

    ``prompt``: the gates before work; ``response``: the gates on the artifact.
    """

    approver: str | None = Field(
        default=None,
        description="Who approves at this stage: `skip` (no approval), `human`, or the name of a role that gives its opinion "
        "instead. Before work, one is added where there is none.",
    )
    model: str | None = Field(
        default=None, description="The model of the role that is the `approver` here, instead of its own."
    )
    max_retries: int | None = Field(
        default=None, ge=0, description="Attempts after the first one that failed at this stage; `0`: none."
    )
    allow_rewrite: bool | None = Field(
        default=None,
        description="Whether what a reviewer suggests is used: before work it becomes the prompt of the next attempt, after "
        "work the next attempt gets it as feedback.",
    )
    criteria: str | None = Field(
        default=None,
        max_length=20_000,
        description="What the reviewers of this stage check, instead of the gate's own.",
    )


class PhaseSettings(_Table):
    """One ``[templates.<template>.phases.<phase>]`` table: what this project changes in a phase."""

    approver: str | None = Field(
        default=None,
        description="Who approves: `skip` (no approval), `human`, or the name of a role that gives its opinion instead.",
    )
    max_retries: int | None = Field(default=None, ge=0, description="Attempts after the first one; `0`: none.")
    same_blocker: int | None = Field(
        default=None,
        ge=1,
        description="How often a recovery of this phase may report the same blocker in a run; once more ends it.",
    )
    allow_rewrite: bool | None = Field(
        default=None, description="Whether a reviewer of an opinion gate may suggest a better version."
    )
    timeout: Duration | None = Field(default=None, description='The longest that one attempt may run: `"1h"`.')
    auto_proceed: bool | None = Field(
        default=None, description="Whether the run continues automatically after this phase."
    )
    role: Name | None = Field(
        default=None, description="Who works in this phase: a role of the template, else one of `[roles]`."
    )
    provider: Name | None = Field(default=None, description="Instead of a role: a provider, with `model`.")
    model: str | None = Field(default=None, description="The model in this phase; alone: another one of the same role.")
    prompt: StageSettings = Field(
        default=StageSettings(), description="What changes at the gates before work alone; wins over the phase's keys."
    )
    response: StageSettings = Field(
        default=StageSettings(),
        description="What changes at the gates on the artifact alone; wins over the phase's keys.",
    )


class TemplateSettings(_Table):
    """One ``[templates.<template>]`` table."""

    phases: dict[str, PhaseSettings] = Field(
        default={}, description="What changes, by the phase's id, inside a loop `build.code`."
    )
    roles: dict[Name, RoleSettings] = Field(
        default={}, description="Who fills a role of this template, instead of what it names."
    )
    on_mismatch: Literal["warn", "block"] | None = Field(
        default=None, description="`artifacts.on_mismatch` for the runs of this template; a variable never loosens it."
    )


class ToolSettings(_Table):
    """``bash``: a tool for the server's model workers besides those for project files."""

    bash: bool = Field(
        default=False,
        description="Whether phases whose `tools_allowed` names `bash` get it: any command, as you, in the project.",
    )


class HttpSettings(_Table):
    """``allow``: origins that may be reached over plain http, or at an address that is not public."""

    allow: list[str] = Field(
        default=[], description='Origins that may be reached over plain http, or inside: `["http://localhost:8080"]`.'
    )


class EnvSettings(_Table):
    """``allow``: names of variables that expressions may read as ``env``."""

    allow: list[Variable] = Field(
        default=[],
        description='Names of variables, such as `["CI"]`; a run stores their values when it starts, so name no secret.',
    )


class PolicySettings(_Table):
    """``templates``: what an agent may start; None is everything. ``evidence``: the least level of checks; None: any."""

    templates: list[str] | None = Field(
        default=None, description='Names of templates that an agent may start: `["quick_fix"]`; a person may start any.'
    )
    evidence: Literal["worktree", "checkout", "sandbox", "runner"] | None = Field(
        default=None,
        description="The least level of evidence of every check that a gate or a step runs: `checkout`, say. The highest of "
        "your own, the project's and the gate's counts.",
    )


class ArtifactSettings(_Table):
    """``on_mismatch``: the effect of a changed file of a sealed artifact; ``hash_prompts``: whether the log names prompts."""

    on_mismatch: Literal["warn", "block"] = Field(
        default="block",
        description="What happens when the file of an accepted artifact is changed later: `block`, nothing new starts in the "
        "run until it is put back or the edit is accepted; `warn`, it is reported.",
    )
    hash_prompts: bool = Field(
        default=False,
        description="Whether the log of new runs keeps the sha256 of each prompt; `verify` compares the files then.",
    )


class RunSettings(_Table):
    """``stale_after``: how long an untouched open run counts as fresh. ``stuck_after``: one that is being worked on."""

    stale_after: Duration = Field(
        default="7d",
        description='How long an open run may lie untouched before it shows as stale, at least a minute: `"7d"`.',
    )
    stuck_after: Duration = Field(
        default="1h",
        description='How long a run may be at work without progress before it shows as stuck, at least a minute: `"1h"`. A '
        "run that waits for you is never stuck.",
    )


class RetentionSettings(_Table):
    """Which runs ``wfe-mcp prune`` may remove; without ``runs`` it removes none."""

    runs: Duration | None = Field(
        default=None,
        description='How long a run is kept after its end: `"90d"`. Without it, for ever. Nothing goes by itself: a person '
        "runs `wfe-mcp prune`.",
    )
    keep: int = Field(default=0, ge=0, description="So many of the runs that ended last stay, however old they are.")
    archived_only: bool = Field(default=False, description="Whether only runs go that were archived.")


class UiSettings(_Table):
    """``auto``: whether the decision page starts automatically."""

    auto: bool = Field(
        default=True,
        description="Whether a server starts the decision page when a person is needed and none lives; it ends by itself.",
    )


class Settings(_Table):
    """All settings of a configuration."""

    checks: dict[Name, CheckSettings] = Field(default={}, description="Named commands; command gates name them.")
    providers: dict[Name, ProviderSettings] = Field(
        default={},
        description="Where models are reached. The kinds `anthropic`, `openai`, `gemini`, `claude-code`, `codex`, "
        "`gemini-cli` and `manual` are providers of these names without a table.",
    )
    roles: dict[Name, RoleSettings] = Field(
        default={},
        description="Named models; the roles of templates name them. `[roles.default]` fills the roles of templates that "
        "have no table.",
    )
    mcp_servers: dict[Name, McpServerSettings] = Field(
        default={}, description="Named MCP servers; the steps of templates name them."
    )
    context: dict[Name, ContextSettings] = Field(
        default={}, description="Bundles of standards and knowledge; the phases of templates name them in `context`."
    )
    templates: dict[str, TemplateSettings] = Field(
        default={}, description="What this project changes in a template, by the template's name."
    )
    queues: dict[LimitedQueue, QueueSettings] = Field(
        default={}, description="How much background work is done at once, by its queue."
    )
    budget: BudgetSettings = Field(default=BudgetSettings(), description="What calls to models may use.")
    outage: OutageSettings = Field(default=OutageSettings(), description="Providers that do not answer.")
    checkpoints: CheckpointSettings = Field(
        default=CheckpointSettings(), description="What checkpoints save of the files, and for how long."
    )
    http: HttpSettings = Field(
        default=HttpSettings(), description="Addresses of plain http that steps, webhooks and providers may reach."
    )
    tools: ToolSettings = Field(default=ToolSettings(), description="What models get that the server drives.")
    env: EnvSettings = Field(
        default=EnvSettings(), description="What expressions see as `env`: `${env.CI}` in a template."
    )
    auto: bool = Field(
        default=True,
        description="Whether a new run continues automatically; `false`: each completed phase waits for `proceed`.",
    )
    policy: PolicySettings = Field(default=PolicySettings(), description="What agents may do.")
    artifacts: ArtifactSettings = Field(default=ArtifactSettings(), description="Files of artifacts.")
    runs: RunSettings = Field(default=RunSettings(), description="Runs that are not used.")
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="What may be removed of runs that are over."
    )
    ui: UiSettings = Field(default=UiSettings(), description="The page on which a person decides in a browser.")

    def on_mismatch(self, template: str) -> str:
        """The effect of a changed file of a sealed artifact in a run of ``template``: ``warn`` or ``block``."""
        own = self.templates.get(template)
        return (own and own.on_mismatch) or self.artifacts.on_mismatch
