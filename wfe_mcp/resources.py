"""What do installed packages bring: our own templates and schemas, and what others add by entry points?

Rules:
1. The entry points are read when a name is asked for that we do not ship, or when all are listed; the code behind one
   is loaded with its first use. A server that needs none of them loads none.
2. A name is ``namespace.name``, so that no package takes the place of what is shipped. A template has a plain name,
   which is none of ours.
3. What breaks rule 2, and the second package with a name, does not count: ``plugin_faults`` says so.
4. Packages are looked for where Python finds modules, but not in the folder the process was started in: ``python -m``
   puts that first, and a project could lay a package of its own there.
"""

import functools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["GROUPS", "Group", "PlugIn", "PlugInFault", "is_name_of", "plugin_faults", "plugins", "shipped"]

Group = Literal["artifact_schemas", "gates", "providers", "step_builtins", "templates"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""Each is the entry-point group ``wfe_mcp.<group>``."""

_PREFIX = "wfe_mcp."
_PART = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_NAMESPACED = rf"{_PART}(?:\.{_PART})+"
_NAMES: Mapping[Group, tuple[str, str]] = {
    "artifact_schemas": (rf"{_NAMESPACED}@[1-9][0-9]{{0,3}}", "acme.ticket@1"),
    "gates": (_NAMESPACED, "acme.no_todo"),
    "providers": (_NAMESPACED, "acme.models"),
    "step_builtins": (_NAMESPACED, "acme.greet"),
    "templates": (_PART, "acme_release"),
}
"""What a name of each group looks like, and an example."""

_OURS = "wfe"


def shipped(name: str) -> Path:
    """The folder ``templates`` or ``schemas``: the wheel's copy, else the checkout's."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent / name


class PlugInFault(Exception):
    """What a package brings cannot be used; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class PlugIn:
    """One thing that a package adds. ``package``: its name and version, as in ``acme-wfe 1.2``."""

    group: Group
    name: str
    package: str
    entry: "EntryPoint"

    def load(self) -> Any:
        """The object behind the entry point. Raises PlugInFault, whatever the package's code raises."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as fault:
            raise self.fault(f"{type(fault).__name__}: {fault}") from fault

    def fault(self, why: str) -> PlugInFault:
        """The fault ``why``, with who brings the thing."""
        return PlugInFault(f"{self.name!r} of the package {self.package} cannot be used: {why}")


def plugins(group: Group) -> Mapping[str, PlugIn]:
    """What packages add to ``group``, by name. Nothing is loaded."""
    return _found(_places())[0][group]


def is_name_of(group: Group, name: str) -> bool:
    """Whether a package could bring something of this name; nothing is looked up."""
    return re.fullmatch(_NAMES[group][0], name) is not None


def plugin_faults() -> tuple[str, ...]:
    """What packages would add and does not count, each with its reason."""
    return _found(_places())[1]


@functools.lru_cache(maxsize=1)
def _found(places: tuple[str, ...]) -> tuple[Mapping[Group, Mapping[str, PlugIn]], tuple[str, ...]]:
    found: dict[Group, dict[str, PlugIn]] = {group: {} for group in GROUPS}
    faults: list[str] = []
    for distribution in _distributions(places):
        package = f"{distribution.metadata['Name']} {distribution.version}"
        for entry in distribution.entry_points:
            group = _group(entry.group)
            if group is None:
                continue
            fault = _fault(group, entry.name, found[group].get(entry.name))
            if fault:
                faults.append(f"{entry.name!r} ({entry.group}) of the package {package} does not count: {fault}")
            else:
                found[group][entry.name] = PlugIn(group, entry.name, package, entry)
    return {group: dict(sorted(known.items())) for group, known in found.items()}, tuple(sorted(faults))


def _places() -> tuple[str, ...]:
    """Where Python looks for modules, without the folder of the process (rule 4)."""
    try:
        here = os.path.realpath(os.getcwd())  # noqa: PTH109 - with pathlib this would take a millisecond on each call
    except OSError:  # the folder is gone
        here = ""
    return tuple(place for place in sys.path if place and os.path.realpath(place) != here)


def _distributions(places: tuple[str, ...]) -> "Iterator[Distribution]":
    """Every installed package once, by name: the first on the path is the one that Python imports."""
    # 30 ms where nothing else has loaded it yet; who starts, lists or reads only what we ship does not come here.
    from importlib.metadata import distributions

    seen: dict[str, Distribution] = {}
    for distribution in distributions(path=list(places)):
        name = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
        seen.setdefault(name, distribution)
    yield from (seen[name] for name in sorted(seen))


def _group(name: str) -> Group | None:
    return next((group for group in GROUPS if name == f"{_PREFIX}{group}"), None)


def _fault(group: Group, name: str, before: PlugIn | None) -> str:
    """Why the name does not count; empty when it does."""
    form, example = _NAMES[group]
    if not re.fullmatch(form, name):
        return f"a name of this group looks like {example!r}; names without a namespace are ours"
    if group == "templates" and (shipped("templates") / name / "template.json").is_file():
        return "a template of this name is shipped"
    if group != "templates" and name.partition(".")[0].lower() == _OURS:
        return f"the namespace {_OURS!r} is ours"
    return "" if before is None else f"the package {before.package} brings one of this name already"
