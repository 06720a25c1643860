"""What may a config.toml say? The user's and the project's have the same shape (design §5)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wfe_mcp.workspace.checks import CheckSettings, Duration, FrozenCheck, Name, Variable

__all__ = [
    "ArtifactSettings", "EnvSettings", "HttpSettings", "McpServerSettings", "PhaseSettings", "PolicySettings",
    "RoleSettings", "RunSettings", "Settings", "TemplateSettings",
]  # fmt: skip


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RoleSettings(_Table):
    """One ``[roles.<name>]`` table: a provider and its model."""

    provider: str
    model: str | None = None


class McpServerSettings(_Table):
    """One ``[mcp_servers.<name>]`` table. ``env``: names of variables that may pass."""

    command: str
    args: list[str] = []
    env: list[Variable] = []


class PhaseSettings(_Table):
    """One ``[templates.<template>.phases.<phase>]`` table: what this project changes in a phase."""

    approver: str | None = None
    max_retries: int | None = Field(default=None, ge=0)
    allow_rewrite: bool | None = None
    timeout: Duration | None = None
    auto_proceed: bool | None = None


class TemplateSettings(_Table):
    """One ``[templates.<template>]`` table."""

    phases: dict[str, PhaseSettings] = {}


class HttpSettings(_Table):
    """``allow``: plain-http origins that may be reached."""

    allow: list[str] = []


class EnvSettings(_Table):
    """``allow``: names of variables that expressions may read as ``env``."""

    allow: list[Variable] = []


class PolicySettings(_Table):
    """``templates``: what an agent may start; None is everything."""

    templates: list[str] | None = None


class ArtifactSettings(_Table):
    """``on_mismatch``: what a changed file of a sealed artifact does."""

    on_mismatch: Literal["warn", "block"] = "block"


class RunSettings(_Table):
    """``stale_after``: how long an untouched open run counts as fresh."""

    stale_after: Duration = "7d"


class Settings(_Table):
    """Everything that configuration can say."""

    checks: dict[Name, CheckSettings] = {}
    roles: dict[Name, RoleSettings] = {}
    mcp_servers: dict[Name, McpServerSettings] = {}
    templates: dict[str, TemplateSettings] = {}
    http: HttpSettings = HttpSettings()
    env: EnvSettings = EnvSettings()
    auto: bool = True
    policy: PolicySettings = PolicySettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    runs: RunSettings = RunSettings()

    def frozen_checks(self) -> dict[str, FrozenCheck]:
        """All checks as a run keeps them."""
        return {name: check.frozen(name) for name, check in self.checks.items()}
