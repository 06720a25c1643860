"""Which templates are there?

    shipped     templates/<name>/ of the package
    project     <root>/.wfe/templates/<name>/ or <name>.json; shadows a shipped one of the same name

Cheap: nothing is read before ``read``, and then only JSON. Whether a definition is right is ``lint``'s question,
whether it may run the engine's (trust).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.resources import shipped
from wfe_mcp.workflow.load import digest, load_definition

__all__ = ["CatalogueEntry", "Definition", "Origin", "project_templates", "shipped_templates"]

Origin = Literal["shipped", "project"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition with prompts inlined, and the sha256 that names its version."""

    value: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A template that lies somewhere. ``path``: its folder or JSON file."""

    name: str
    origin: Origin
    path: Path

    def read(self) -> Definition:
        """The definition as it lies there now. Refuses: invalid_template, also when it has another name; too_large."""
        value = load_definition(self.path)
        if value.get("name") != self.name:
            raise Refused(
                "invalid_template",
                f"{self.path} holds a template that is called {value.get('name')!r}.",
                "Give the folder or file the template's name.",
                (
                    Detail(
                        "/name",
                        f"the name differs from that of its folder or file, {self.name!r}",
                        self.name,
                        value.get("name"),
                    ),
                ),
            )
        return Definition(value, digest(value))


def shipped_templates() -> tuple[CatalogueEntry, ...]:
    """The templates that come with the package, by name."""
    return tuple(_entries(shipped("templates"), "shipped"))


def project_templates(root: Path) -> tuple[CatalogueEntry, ...]:
    """The templates of the project at ``root``, by name. They count only once trusted."""
    return tuple(_entries(root / ".wfe" / "templates", "project"))


def _entries(folder: Path, origin: Origin) -> Iterator[CatalogueEntry]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink():  # what lies elsewhere is not this folder's
            continue
        if (path / "template.json").is_file():
            yield CatalogueEntry(path.name, origin, path)
        elif path.suffix == ".json" and path.is_file():
            yield CatalogueEntry(path.stem, origin, path)
