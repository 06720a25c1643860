"""The kinds of model providers and their defaults."""

from collections.abc import Mapping
from typing import Literal, NewType

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import nearest
from wfe_mcp.resources import is_name_of

ShippedKind = Literal[
    "anthropic", "openai", "openai-compatible", "gemini", "claude-code", "codex", "gemini-cli", "manual"
]
InstalledKind = NewType("InstalledKind", str)
"""The name of a provider kind from an installed package; it has a dot, shipped kinds have none."""

ProviderKind = ShippedKind | InstalledKind
KINDS: tuple[ShippedKind, ...] = (
    "anthropic",
    "openai",
    "openai-compatible",
    "gemini",
    "claude-code",
    "codex",
    "gemini-cli",
    "manual",
)

FsAbility = Literal["local-write", "local-read", "write-only", "none"]
"""A provider's access to project files; selects the prompt paragraph on where the output goes (S0-43)."""

FS_ABILITIES: tuple[FsAbility, ...] = ("local-write", "local-read", "write-only", "none")


@dataclass(frozen=True, slots=True)
class KindFacts:
    """``variable``: the environment variable for the key, ``""`` without a default. ``argv``: its program.

    ``is_builtin``: usable under its own name without a table. ``is_network``: called over HTTP, or by a package in its
    own way; not a local program or a person. ``needs_model``: every call names a model.
    ``is_installed``: comes from a package, which declares whether it needs a key or a model.
    """

    variable: str = ""
    argv: tuple[str, ...] = ()
    fs_ability: FsAbility = "none"
    is_builtin: bool = True
    is_network: bool = True
    is_installed: bool = False

    @property
    def needs_model(self) -> bool:
        """False also while unknown, before the package is loaded."""
        return self.is_network and not self.is_installed


KIND_FACTS: Mapping[ProviderKind, KindFacts] = {
    "anthropic": KindFacts("ANTHROPIC_API_KEY"),
    "openai": KindFacts("OPENAI_API_KEY"),
    "openai-compatible": KindFacts(is_builtin=False),
    "gemini": KindFacts("GEMINI_API_KEY"),
    "claude-code": KindFacts(argv=("claude",), fs_ability="local-write", is_network=False),
    "codex": KindFacts(argv=("codex",), fs_ability="local-write", is_network=False),
    "gemini-cli": KindFacts(argv=("gemini",), fs_ability="local-write", is_network=False),
    "manual": KindFacts(fs_ability="local-write", is_network=False),
}
_INSTALLED = KindFacts(is_builtin=False, is_installed=True)


def facts_of(kind: ProviderKind) -> KindFacts:
    """The facts of ``kind``, without loading its package."""
    return KIND_FACTS.get(kind, _INSTALLED)


def shipped_kind(name: str) -> ShippedKind | None:
    """``name`` as a shipped kind; None for any other name."""
    return next((kind for kind in KINDS if kind == name), None)


def installed_kind(name: str) -> InstalledKind | None:
    """``name`` as a package's kind, installed or not; None when the name cannot be one."""
    return InstalledKind(name) if is_name_of("providers", name) else None


def as_kind(name: object) -> ProviderKind:
    """``name`` as a kind. ValueError when it cannot be one."""
    kind_name = name if isinstance(name, str) else ""
    kind = shipped_kind(kind_name) or installed_kind(kind_name)
    if kind is not None:
        return kind
    near = nearest(kind_name, KINDS)
    hint = f"; the nearest is '{near[0]}'" if near else ""
    raise ValueError(f'one of {", ".join(KINDS)}, or what a package brings, as in "acme.models"{hint}')
