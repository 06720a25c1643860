"""The kinds of model providers, and the tables of config.toml for providers and roles.

The descriptions are the reference page's text: docs/reference/configuration.md is made from them.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field, PlainValidator

from wfe_mcp.core.errors import nearest
from wfe_mcp.resources import plugins
from wfe_mcp.workspace.config.checks import Duration, Name, Word
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.origins import is_loopback, origin_fault, origin_of
from wfe_mcp.workspace.config.provider_kinds import KINDS, FsAbility, ProviderKind, as_kind, facts_of, shipped_kind
from wfe_mcp.workspace.config.table import Frozen, Table, optional, required_key

_SECRET_OPTION = re.compile(r"(?i)(api_?key|secret|password|authorization|(^|_)token)$")


def _key(text: str) -> str:
    if text not in {"keyring", "stored"} and not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError('where the key is, never the key: "env:NAME", "keyring" or "stored"')
    return text


def _address(url: str) -> str:
    if origin_of(url) is None or "?" in url or "#" in url:
        raise ValueError("an address is expected, https://host/path, without a user name, '?' and '#'")
    return url


def _options(options: dict[str, Any]) -> dict[str, Any]:
    for name in options:
        if _SECRET_OPTION.search(name):
            raise ValueError(f"no secret belongs into configuration ('{name}'): say where it is with 'key'")
    return options


def _share(share: float) -> float:
    if not 0 <= share <= 2:
        raise ValueError("a number from 0 to 2")
    return share


def _count(count: int) -> int:
    if count < 1:
        raise ValueError("a whole number above zero")
    return count


def _target(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(/\S+)?", name):
        raise ValueError('the name of a role, or a provider and its model, as in "openai/gpt-5.5"')
    return name


Count = Annotated[int, AfterValidator(_count)]
Target = Annotated[str, AfterValidator(_target)]
Kind = Annotated[ProviderKind, PlainValidator(as_kind, json_schema_input_type=str)]


class ProviderSettings(Table):
    """One ``[providers.<name>]`` table: a provider's kind, its address, and where its key is."""

    kind: Kind | None = optional(
        None,
        f"One of {', '.join(f'`{kind}`' for kind in KINDS)}, or the name of a provider that an installed package "
        "brings, such as `acme.models`; absent: the table's name says it.",
        effect="roles",
    )
    enabled: bool = optional(True, "`false`: no model of this provider is called.", effect="roles")
    base_url: Annotated[str, AfterValidator(_address)] | None = optional(
        None,
        "Another address than the vendor's: https, or http on this machine or to an origin that `[http] allow` "
        "names. That of a provider with a key counts in your own file only.",
        effect="calls",
    )
    key: Annotated[str, AfterValidator(_key)] | None = optional(
        None,
        'Where the key is, never the key: `"env:NAME"`, `"keyring"`, `"stored"` (encrypted in the database). '
        "Absent: `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` or `GEMINI_API_KEY`, by kind.",
        effect="passes",
    )
    connect_timeout: Duration = optional("10s", 'The longest to wait for a connection: `"10s"`.', effect="limit")
    response_timeout: Duration = optional("5m", 'The longest silence while an answer comes: `"5m"`.', effect="limit")
    total_timeout: Duration = optional(
        "30m", 'The longest one call may take, however much it says: `"30m"`.', effect="limit"
    )
    max_tokens: Count = optional(8_192, "The longest answer, in tokens.", effect="limit")
    temperature: Annotated[float, AfterValidator(_share)] | None = optional(
        None, "How much answers vary, from `0` to `2`; absent: the model's own.", effect="limit"
    )
    argv: list[Word] | None = optional(
        None,
        'The program of a command-line agent, with what comes before our arguments: `["claude"]`.',
        effect="runs",
        min_length=1,
    )
    fs_ability: FsAbility | None = optional(
        None,
        "What it can do with files of the project: "
        f"{', '.join(f'`{ability}`' for ability in get_args(FsAbility))}; decides how prompts say where the output goes.",
        effect="limit",
    )
    options: Annotated[dict[str, Any], AfterValidator(_options)] = optional(
        {},
        "What only one kind understands, such as `permission_mode`, `allowed_tools`, `sandbox`, `max_turns`.",
        effect="runs",
    )
    concurrency: Count | None = optional(None, "Calls at the same time, over all runs.", effect="limit")
    requests_per_minute: Count | None = optional(None, "Calls in any minute, over all runs.", effect="limit")

    def needs_key(self, kind: ProviderKind) -> bool:
        """Whether a key is sent to the provider's address; a package's provider may have a key that we do not know of."""
        facts = facts_of(kind)
        return bool(self.key or facts.variable or facts.is_installed)

    def fault(self, name: str, allow: Iterable[str]) -> str:
        """Why the provider cannot be used; empty when it can. ``allow``: origins that plain http may reach."""
        kind = kind_of(name, self)
        if kind is None:
            return f"needs 'kind', one of {', '.join(KINDS)}"
        facts = facts_of(kind)
        if facts.is_installed:
            absent = _absent(kind)
            if absent:
                return absent
        if kind == "openai-compatible" and self.base_url is None:
            return "needs 'base_url', the address of the server"
        if self.base_url is not None and not facts.is_network:
            return f"has a 'base_url', but {kind} is reached by no address"
        if self.argv is not None and not facts.argv:
            return f"has an 'argv', but {kind} is no program"
        if self.base_url is None or is_loopback(self.base_url):
            return ""
        return origin_fault(self.base_url, allow)

    def frozen(self, name: str, *, from_project: bool = False, is_unsigned: bool = False) -> "FrozenProvider":
        """The provider as a run freezes it. It must have no ``fault``."""
        kind = kind_of(name, self)
        assert kind is not None, "a provider with a fault does not count"
        facts = facts_of(kind)
        return FrozenProvider(
            name=name,
            kind=kind,
            base_url=self.base_url,
            key=self.key or (f"env:{facts.variable}" if facts.variable else None),
            connect_s=seconds(self.connect_timeout),
            response_s=seconds(self.response_timeout),
            total_s=seconds(self.total_timeout),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            argv=tuple(self.argv or ()),
            fs_ability=self.fs_ability or facts.fs_ability,
            options=self.options,
            from_project=from_project,
            is_unsigned=is_unsigned,
        )


class FrozenProvider(Frozen):
    """A provider as it was when the run started: plain JSON, and no key in it, only where the key is.

    ``from_project``: project configuration contributed to it, so the run needs its trust to last. ``is_unsigned``: the
    user's own configuration did, in bytes that no one had trusted: it works, and reviews nothing until it is trusted.
    """

    name: str
    kind: Kind
    base_url: str | None = None
    key: str | None = None
    connect_s: float
    response_s: float
    total_s: float
    max_tokens: int
    temperature: float | None = None
    argv: tuple[str, ...] = ()
    fs_ability: FsAbility
    options: dict[str, Any] = Field(default={})
    from_project: bool = False
    is_unsigned: bool = False


class RoleSettings(Table):
    """One ``[roles.<name>]`` table: a provider and its model."""

    effect = "roles"

    provider: Name = required_key(
        'Who answers: the name of a `[providers]` table, or of a kind that needs none, such as `"openai"`.'
    )
    model: str | None = optional(None, "The provider's name of the model; command-line agents have one of their own.")
    fallback: list[Target] = optional(
        [],
        'Who answers when this one is out, in order: roles, or a provider and its model, as in `["openai/gpt-5.5"]`.',
    )
    fs_ability: FsAbility | None = optional(None, "Instead of the provider's.", effect="limit")

    def frozen(self, name: str, *, from_project: bool = False, is_unsigned: bool = False) -> "FrozenRole":
        """The role as a run freezes it."""
        return FrozenRole(
            name=name, from_project=from_project, is_unsigned=is_unsigned, **self.model_dump(exclude_none=True)
        )


class FrozenRole(Frozen):
    """A role as it was when the run started. ``from_project``, ``is_unsigned``: as in ``FrozenProvider``."""

    name: str
    provider: str
    model: str = ""
    fallback: tuple[str, ...] = ()
    fs_ability: FsAbility | None = None
    from_project: bool = False
    is_unsigned: bool = False


def kind_of(name: str, provider: ProviderSettings) -> ProviderKind | None:
    """The kind of the provider ``name``: from its table, else from its name; None when neither gives one."""
    return provider.kind or shipped_kind(name)


def builtin_provider(name: str) -> ProviderSettings | None:
    """The provider available without a table; None when ``name`` is no such kind."""
    kind = shipped_kind(name)
    return ProviderSettings(kind=kind) if kind is not None and facts_of(kind).is_builtin else None


def _absent(kind: ProviderKind) -> str:
    """Why a package's kind cannot be used; empty when it is installed. Loads nothing of the package."""
    known = plugins("providers")
    if kind in known:
        return ""
    near = nearest(kind, known)
    hint = f"; the nearest is '{near[0]}'" if near else "; install the package, and see: wfe-mcp doctor"
    return f"no installed package provides kind '{kind}'{hint}"
