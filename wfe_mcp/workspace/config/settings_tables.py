"""The tables of config.toml; the user's and the project's have the same shape (design §5).

The descriptions are the reference page's text: docs/reference/configuration.md is made from them.
"""

from typing import Literal

from pydantic import Field

from wfe_mcp.workspace.config.checks import CheckSettings, Duration, Name, SandboxSettings, Variable
from wfe_mcp.workspace.config.claim_table import ClaimSettings
from wfe_mcp.workspace.config.context_bundles import ContextSettings
from wfe_mcp.workspace.config.delivery_table import DeliverySettings, EnvironmentSettings
from wfe_mcp.workspace.config.event_tables import IncomingSettings, NotifySettings, ScheduleSettings, WebhookSettings
from wfe_mcp.workspace.config.layers import RUN_AGES
from wfe_mcp.workspace.config.limit_tables import (
    BudgetSettings,
    CheckpointSettings,
    LimitedQueue,
    OutageSettings,
    QueueSettings,
    RetentionSettings,
)
from wfe_mcp.workspace.config.origins import origin_fault
from wfe_mcp.workspace.config.provider_tables import ProviderSettings, RoleSettings
from wfe_mcp.workspace.config.server_table import ServerSettings
from wfe_mcp.workspace.config.table import Table, optional


class McpServerSettings(Table):
    """One ``[mcp_servers.<name>]`` table: a ``command`` to start, or the ``url`` of one that runs (never both).

    ``env``: names of variables that the command may see.
    """

    effect = "starts"

    command: str | None = optional(None, "The program of the server; it is started for each call.")
    args: list[str] = optional([], "Its arguments.")
    env: list[Variable] = optional(
        [], 'Names of variables that it may see, never values: `["GITHUB_TOKEN"]`.', effect="passes"
    )
    url: str | None = optional(
        None,
        "Instead of `command`: the address of a server that runs, https or an origin that `[http] allow` names.",
        effect="calls",
    )

    def fault(self, allow: list[str]) -> str:
        """Why the server cannot be used; empty when it can. ``allow``: origins that may be reached over plain http."""
        if (self.command is None) == (self.url is None):
            return "needs exactly one of 'command' and 'url'"
        return "" if self.url is None else origin_fault(self.url, allow)

    def frozen(self, name: str) -> "FrozenServer":
        """The server as a run freezes it."""
        return FrozenServer(name=name, **self.model_dump())


class FrozenServer(Table):
    """An MCP server as it was when the run started."""

    name: str
    command: str | None = None
    args: list[str] = Field(default=[])
    env: list[str] = Field(default=[])
    url: str | None = None


class StageSettings(Table):
    """``[templates.<template>.phases.<phase>.prompt]`` or ``.response``: what changes at one stage of a phase alone.

    ``prompt``: the gates before work; ``response``: the gates on the artifact.
    """

    effect = "gates"

    approver: str | None = optional(
        None,
        "Who approves at this stage: `skip` (no approval), `human`, or the name of a role that gives its opinion "
        "instead. Before work, one is added where there is none.",
        weakens=lambda value: value != "human",
    )
    model: str | None = optional(
        None,
        "The model of the role that is the `approver` here, instead of its own.",
        effect="roles",
        weakens=lambda _value: True,
    )
    max_retries: int | None = optional(
        None, "Attempts after the first one that failed at this stage; `0`: none.", effect="sets", ge=0
    )
    allow_rewrite: bool | None = optional(
        None,
        "Whether what a reviewer suggests is used: before work it becomes the prompt of the next attempt, after "
        "work the next attempt gets it as feedback.",
        weakens=lambda value: value is True,
    )
    criteria: str | None = optional(
        None,
        "What the reviewers of this stage check, instead of the gate's own.",
        weakens=lambda _value: True,
        max_length=20_000,
    )


class PhaseSettings(Table):
    """One ``[templates.<template>.phases.<phase>]`` table: what this project changes in a phase."""

    effect = "sets"

    approver: str | None = optional(
        None,
        "Who approves: `skip` (no approval), `human`, or the name of a role that gives its opinion instead.",
        effect="gates",
        weakens=lambda value: value != "human",
    )
    people: int | None = optional(
        None,
        "How many different people approve where this phase asks for an approval; it raises what the template says, "
        "and never lowers it.",
        effect="gates",
        ge=1,
        le=5,
    )
    max_retries: int | None = optional(None, "Attempts after the first one; `0`: none.", ge=0)
    same_blocker: int | None = optional(
        None, "How often a recovery of this phase may report the same blocker in a run; once more ends it.", ge=1
    )
    missing_checks: list[Name] = optional(
        [],
        'Checks of gates that this project does not have: `["security"]`. Where one is missing, that is noted and the '
        "gate is passed over; without this, the run is refused.",
        effect="gates",
        weakens=bool,
    )
    allow_rewrite: bool | None = optional(
        None,
        "Whether a reviewer of an opinion gate may suggest a better version.",
        effect="gates",
        weakens=lambda value: value is True,
    )
    timeout: Duration | None = optional(None, 'The longest that one attempt may run: `"1h"`.', effect="limit")
    auto_proceed: bool | None = optional(None, "Whether the run continues automatically after this phase.")
    write_json: bool | None = optional(
        None, "Whether the artifact is also written as JSON, beside the document that the template makes of it."
    )
    role: Name | None = optional(
        None, "Who works in this phase: a role of the template, else one of `[roles]`.", effect="roles"
    )
    provider: Name | None = optional(None, "Instead of a role: a provider, with `model`.", effect="roles")
    model: str | None = optional(None, "The model in this phase; alone: another one of the same role.", effect="roles")
    prompt: StageSettings = optional(
        StageSettings(), "What changes at the gates before work alone; wins over the phase's keys."
    )
    response: StageSettings = optional(
        StageSettings(), "What changes at the gates on the artifact alone; wins over the phase's keys."
    )


class TemplateSettings(Table):
    """One ``[templates.<template>]`` table."""

    phases: dict[str, PhaseSettings] = optional(
        {}, "What changes, by the phase's id, inside a loop `build.code`.", noun=""
    )
    roles: dict[Name, RoleSettings] = optional(
        {}, "Who fills a role of this template, instead of what it names.", weakens=lambda _value: True, noun="role"
    )
    on_mismatch: Literal["warn", "block"] | None = optional(
        None,
        "`artifacts.on_mismatch` for the runs of this template; a variable never loosens it.",
        effect="gates",
        weakens=lambda value: value == "warn",
    )


class ToolSettings(Table):
    """``bash``: a tool for the server's model workers besides those for project files."""

    bash: bool = optional(
        False,
        "Whether phases whose `tools_allowed` names `bash` get it: any command, as you, in the project.",
        effect="tools",
    )


class HttpSettings(Table):
    """``allow``: origins that may be reached over plain http, or at an address that is not public.

    ``proxy`` and ``ca_file``: for requests to models, and for command-line agents; variables of the environment do not count.
    """

    allow: list[str] = optional(
        [], 'Origins that may be reached over plain http, or inside: `["http://localhost:8080"]`.', effect="calls"
    )
    logins: dict[str, str] = optional(
        {},
        'What `http` steps log in with, by origin: `{ "https://api.example.com" = "acme" }` sends the credential `acme` as '
        'Authorization, `"acme X-Api-Key"` in that header.',
        effect="sends",
    )
    proxy: str = optional(
        "",
        "The proxy to models: `http://proxy:3128`. Only in your own configuration, once you have trusted it.",
        effect="calls",
    )
    ca_file: str = optional(
        "",
        "A file with the authorities that certificates of models may have, in place of the system's. Only in your own configuration, as above.",
        effect="calls",
    )


class EnvSettings(Table):
    """``allow``: names of variables that expressions may read as ``env``."""

    allow: list[Variable] = optional(
        [],
        'Names of variables, such as `["CI"]`; a run stores their values when it starts, so name no secret.',
        effect="passes",
    )


class PolicySettings(Table):
    """``[policy]``. ``templates``: what an agent may start; None is everything. ``evidence``: the least level of checks; None: any.

    ``people``: how many approve at least.
    """

    effect = "policy"

    templates: list[str] | None = optional(
        None, 'Names of templates that an agent may start: `["quick_fix"]`; a person may start any.'
    )
    evidence: Literal["worktree", "checkout", "sandbox", "runner"] | None = optional(
        None,
        "The least level of evidence of every check that a gate or a step runs: `checkout`, say. The highest of "
        "your own, the project's and the gate's counts.",
    )
    people: int | None = optional(
        None,
        "How many different people approve, at least, wherever a gate asks for a person's approval. The highest of your "
        "own, the project's and the gate's counts.",
        ge=1,
        le=5,
    )


class ArtifactSettings(Table):
    """``on_mismatch``: the effect of a changed file of a sealed artifact; ``hash_prompts``: whether the log names prompts."""

    on_mismatch: Literal["warn", "block"] = optional(
        "block",
        "What happens when the file of an accepted artifact is changed later: `block`, nothing new starts in the "
        "run until it is put back or the edit is accepted; `warn`, it is reported.",
        effect="gates",
        weakens=lambda value: value == "warn",
    )
    hash_prompts: bool = optional(
        False,
        "Whether the log of new runs keeps the sha256 of each prompt; `verify` compares the files then.",
        effect="limit",
    )


class RunSettings(Table):
    """``stale_after``: how long an untouched open run counts as fresh. ``stuck_after``: one that waits for no person."""

    effect = "limit"

    stale_after: Duration = optional(
        RUN_AGES["stale_after"],
        'How long an open run may lie untouched before it shows as stale, at least a minute: `"7d"`.',
    )
    stuck_after: Duration = optional(
        RUN_AGES["stuck_after"],
        'How long a run may make no progress before it shows as stuck, at least a minute: `"1h"`. A run that waits '
        "for you is never stuck.",
    )


class WorktreeSettings(Table):
    """What a new work tree of ``wfe-mcp worktree add`` gets. The files that it needs are named in ``.worktreeinclude``."""

    folder: str = optional(
        "",
        "The folder in which they are made, from the project's; without it the one beside the project with `-worktrees` "
        "behind its name.",
        effect="writes",
    )
    setup: Name | None = optional(
        None,
        "A check of this configuration that is run in each new one: it installs what the work needs.",
        effect="runs",
    )
    ports: list[Variable] = optional(
        [],
        'Names of variables, such as `["PORT"]`. Each gets a free port in each work tree, in `.wfe/runs/ports.env`; a '
        "check sees it that names the variable in its `env`.",
        effect="passes",
    )


class UiSettings(Table):
    """``auto``: whether the decision page starts automatically."""

    auto: bool = optional(
        True,
        "Whether a server starts the decision page when a person is needed and none lives; it ends by itself.",
        effect="starts",
    )


class Settings(Table):
    """All settings of a configuration."""

    checks: dict[Name, CheckSettings] = optional({}, "Named commands; command gates name them.", noun="check")
    providers: dict[Name, ProviderSettings] = optional(
        {},
        "Where models are reached. The kinds `anthropic`, `openai`, `gemini`, `claude-code`, `codex`, "
        "`gemini-cli` and `manual` are providers of these names without a table.",
        noun="provider",
    )
    roles: dict[Name, RoleSettings] = optional(
        {},
        "Named models; the roles of templates name them. `[roles.default]` fills the roles of templates that "
        "have no table.",
        noun="role",
    )
    mcp_servers: dict[Name, McpServerSettings] = optional(
        {}, "Named MCP servers; the steps of templates name them.", noun="MCP server"
    )
    context: dict[Name, ContextSettings] = optional(
        {}, "Bundles of standards and knowledge; the phases of templates name them in `context`.", noun="context"
    )
    templates: dict[str, TemplateSettings] = optional(
        {}, "What this project changes in a template, by the template's name.", noun=""
    )
    queues: dict[LimitedQueue, QueueSettings] = optional(
        {}, "How much background work is done at once, by its queue.", noun="queue"
    )
    budget: BudgetSettings = optional(BudgetSettings(), "What calls to models may use.")
    outage: OutageSettings = optional(OutageSettings(), "Providers that do not answer, and full disks.")
    checkpoints: CheckpointSettings = optional(
        CheckpointSettings(), "What checkpoints save of the files, and for how long."
    )
    http: HttpSettings = optional(
        HttpSettings(), "Addresses of plain http that steps, webhooks and providers may reach."
    )
    tools: ToolSettings = optional(ToolSettings(), "What models get that the server drives.")
    sandbox: SandboxSettings = optional(SandboxSettings(), "What makes the sandboxes of checks.")
    env: EnvSettings = optional(EnvSettings(), "What expressions see as `env`: `${env.CI}` in a template.")
    auto: bool = optional(
        True,
        "Whether a new run continues automatically; `false`: each completed phase waits for `proceed`.",
        effect="sets",
    )
    policy: PolicySettings = optional(PolicySettings(), "What agents may do.")
    artifacts: ArtifactSettings = optional(ArtifactSettings(), "Files of artifacts.")
    facts: dict[str, str] = optional(
        {},
        "What a person says of the project in place of what is found, by its name in `wfe-mcp project show`, and "
        'more under names of your own: `"package manager" = "pnpm"`. Prompts and pages show it.',
        effect="sets",
    )
    runs: RunSettings = optional(RunSettings(), "Runs that are not used.")
    worktrees: WorktreeSettings = optional(WorktreeSettings(), "Further work trees, to work side by side.")
    retention: RetentionSettings = optional(RetentionSettings(), "What may be removed of runs that are over.")
    delivery: DeliverySettings = optional(
        DeliverySettings(), "How a template's `git.…` and `forge.…` steps deliver a change."
    )
    webhooks: dict[Name, WebhookSettings] = optional({}, "Receivers of events of this project.", noun="webhook")
    incoming: dict[Name, IncomingSettings] = optional({}, "Systems whose signed messages start runs.", noun="incoming")
    schedule: dict[Name, ScheduleSettings] = optional({}, "Times at which a template starts.", noun="schedule")
    notify: NotifySettings = optional(NotifySettings(), "How you hear that you are needed.")
    environments: dict[Name, EnvironmentSettings] = optional(
        {}, "Where the `deploy` step of a template brings a change.", noun="environment"
    )
    claims: ClaimSettings = optional(ClaimSettings(), "Claims of a project and their tests.")
    ui: UiSettings = optional(UiSettings(), "The page on which a person decides in a browser.")
    server: ServerSettings = optional(ServerSettings(), "`wfe-mcp server`: its address, login, roles and limits.")

    def on_mismatch(self, template: str) -> str:
        """The effect of a changed file of a sealed artifact in a run of ``template``: ``warn`` or ``block``."""
        own = self.templates.get(template)
        return (own and own.on_mismatch) or self.artifacts.on_mismatch
