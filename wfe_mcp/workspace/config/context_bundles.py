"""The files and rules of a context bundle for a scope.

files, rules              always
layers._universal         always
layers of scopes.<scope>  for that scope                 files once, in this order
prefixes._universal       always       ┐ of the rules in ``rules``; no ``prefixes`` at all: every rule
prefixes.<scope>          for that scope ┘
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import Name
from wfe_mcp.workspace.config.table import Table, optional
from wfe_mcp.workspace.files.folders import Folder, walk
from wfe_mcp.workspace.files.paths import glob_fault, match_globs, parts_of

UNIVERSAL = "_universal"
"""The name of the layer and of the prefixes that apply in every scope."""

MAX_LOOKED_AT = 20_000
"""Most directory entries that one glob may visit."""

_NEVER = frozenset({".git", ".wfe"})


def _glob(glob: str) -> str:
    fault = glob_fault(glob)
    if fault or "\\" in glob:
        raise ValueError(f"a path or glob inside the project is expected, and {fault or 'it holds a backslash'}")
    return glob


def _layer(name: str) -> str:
    if name != UNIVERSAL and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError(f"a name (letters, digits, '_' and '-', at most 64) or {UNIVERSAL} is expected")
    return name


def _prefix(prefix: str) -> str:
    if not prefix.strip():
        raise ValueError('the beginning of rule ids is expected, for example "SEC-"')
    return prefix


Glob = Annotated[str, AfterValidator(_glob)]
Layer = Annotated[str, AfterValidator(_layer)]
Prefix = Annotated[str, AfterValidator(_prefix)]


class ContextSettings(Table):
    """One ``[context.<name>]`` table: a bundle of files and rules that templates give to a worker."""

    effect = "sends"

    files: list[Glob] = optional([], 'Files that are always handed over, as paths or globs: `["docs/standards/*.md"]`.')
    layers: dict[Layer, list[Glob]] = optional(
        {}, "Files of one layer, handed over in the scopes that name it; `_universal`: in each."
    )
    scopes: dict[Name, list[Name]] = optional(
        {}, 'The layers of one scope: `api = ["domain", "web"]`. The template says which scope.'
    )
    rules: list[Glob] = optional(
        [], "Files of rules with ids (YAML, JSON or Markdown); `prefixes` chooses among the rules."
    )
    prefixes: dict[Layer, list[Prefix]] = optional(
        {}, 'How the ids of the rules of one scope begin: `api = ["API-"]`; `_universal`: in each. None: all rules.'
    )

    @property
    def scope_names(self) -> tuple[str, ...]:
        """The scopes that the bundle distinguishes; empty when it is the same in each."""
        return tuple(dict.fromkeys([*self.scopes, *(name for name in self.prefixes if name != UNIVERSAL)]))

    @property
    def named(self) -> tuple[str, ...]:
        """Every path and glob that the bundle names, in any scope."""
        layered = [glob for globs in self.layers.values() for glob in globs]
        return tuple(dict.fromkeys([*self.files, *layered, *self.rules]))

    def fault(self) -> str:
        """Why the bundle cannot be used; empty when it can."""
        if not (self.files or self.rules or any(self.layers.values())):
            return "names no files: say at least one of 'files', 'layers', 'rules'"
        for scope, layers in self.scopes.items():
            for layer in layers:
                if layer not in self.layers:
                    return f"scope '{scope}' names the layer '{layer}', which 'layers' does not have"
        return ""

    def globs(self, scope: str) -> tuple[str, ...]:
        """The files of ``scope``, as globs, each once; only the universal ones when ``scope`` is empty."""
        layers = [UNIVERSAL, *self.scopes.get(scope, ())]
        chosen = [glob for layer in layers for glob in self.layers.get(layer, ())]
        return tuple(dict.fromkeys([*self.files, *chosen]))

    def wants_rule(self, rule: str, scope: str) -> bool:
        """Whether the bundle includes the rule with this id in ``scope``."""
        begins = [*self.prefixes.get(UNIVERSAL, ()), *self.prefixes.get(scope, ())]
        return not self.prefixes or rule.startswith(tuple(begins))


def files_matching(root: Path, glob: str) -> tuple[str, ...]:
    """The paths of the project's files that ``glob`` matches, sorted; never in ``.git``, nor in ``.wfe`` unless it is named.

    A link that matches is listed too: reading it is refused later. Refuses ``too_large`` when there are too many names
    below the folder in front of the first ``*``.
    """
    parts = parts_of(glob, fault_of=glob_fault)
    plain = next((number for number, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    folders = parts[: min(plain, len(parts) - 1)]
    with walk(root, folders) as folder:
        if plain == len(parts) and folder.kind(parts[-1]) != "folder":
            return (glob,)
        below = _files_below(folder, "".join(f"{name}/" for name in folders), glob, iter(range(MAX_LOOKED_AT)))
        return tuple(sorted(path for path in below if match_globs(path, (glob,))))


def _files_below(folder: Folder, above: str, glob: str, left: Iterator[int]) -> Iterator[str]:
    for name in folder.names():
        if next(left, None) is None:
            raise Refused(
                "too_large",
                f"'{glob}' makes us look through more than {MAX_LOOKED_AT:,} names.",
                "Write the folder in front: 'docs/standards/**/*.md'.",
            )
        if folder.kind(name) != "folder":
            yield f"{above}{name}"
        elif name not in _NEVER:
            with folder.inner(name) as inner:
                yield from _files_below(inner, f"{above}{name}/", glob, left)
