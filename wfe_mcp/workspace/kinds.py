"""Which kinds of providers of models are there, and what holds for each where nobody says otherwise?"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["FS_ABILITIES", "KINDS", "KIND_FACTS", "FsAbility", "KindFacts", "ProviderKind"]

ProviderKind = Literal[
    "anthropic", "openai", "openai-compatible", "gemini", "claude-code", "codex", "gemini-cli", "manual"
]
KINDS: tuple[ProviderKind, ...] = (
    "anthropic", "openai", "openai-compatible", "gemini", "claude-code", "codex", "gemini-cli", "manual"
)  # fmt: skip

FsAbility = Literal["local-write", "local-read", "write-only", "none"]
"""What a provider can do with files of the project; decides the paragraph on where the output goes (S0-43)."""

FS_ABILITIES: tuple[FsAbility, ...] = ("local-write", "local-read", "write-only", "none")


@dataclass(frozen=True, slots=True)
class KindFacts:
    """``variable``: the one that holds the key, ``""`` where there is none by default. ``argv``: its program.

    ``is_builtin``: usable under its own name without a table. ``is_network``: reached over HTTP, with a named model.
    """

    variable: str = ""
    argv: tuple[str, ...] = ()
    fs_ability: FsAbility = "none"
    is_builtin: bool = True
    is_network: bool = True


KIND_FACTS: dict[ProviderKind, KindFacts] = {
    "anthropic": KindFacts("ANTHROPIC_API_KEY"),
    "openai": KindFacts("OPENAI_API_KEY"),
    "openai-compatible": KindFacts(is_builtin=False),
    "gemini": KindFacts("GEMINI_API_KEY"),
    "claude-code": KindFacts(argv=("claude",), fs_ability="local-write", is_network=False),
    "codex": KindFacts(argv=("codex",), fs_ability="local-write", is_network=False),
    "gemini-cli": KindFacts(argv=("gemini",), fs_ability="local-write", is_network=False),
    "manual": KindFacts(fs_ability="local-write", is_network=False),
}
