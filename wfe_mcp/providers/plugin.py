"""What does a provider of an installed package offer, and can it be used?

The entry point (group ``wfe_mcp.providers``) leads to an object that is a ``PackageProvider``: a module with these
functions will do. ``plugin_calls.py`` is the only one that calls it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from wfe_mcp.providers.call import Answer, Connection, Listener, Question, ShouldStop, Task, Worked
from wfe_mcp.resources import PlugIn, PlugInFault, plugins

__all__ = ["ListingProvider", "Offered", "PackageProvider", "Work", "WorkingProvider", "offered", "offered_by"]

_FACTS = ("needs_key", "needs_model")


class PackageProvider(Protocol):
    """What every provider of a package offers.

    It may say ``needs_key = True`` and ``needs_model = True`` of itself: then it is not called without one.
    """

    def ask(
        self, connection: Connection, question: Question, listener: Listener, should_stop: ShouldStop
    ) -> Answer:  # fmt: skip
        """The answer to one question; ``value`` where it has a schema. Raises ProviderFault, and ends when told to stop.

        It is announced and reported by us, with the usage of the answer. Several threads may call at once.
        """
        ...


class WorkingProvider(PackageProvider, Protocol):
    """A provider that works with tools. One without ``work`` is asked for the output of a task as for an answer."""

    def work(self, connection: Connection, task: Task, listener: Listener, should_stop: ShouldStop) -> Worked:
        """How the task ended. Who calls a model more than once announces each call to ``listener``, before it is made.

        Whoever uses ``task.tools`` calls their ``run``; that is told to ``listener`` by us, and bounded.
        """
        ...


class ListingProvider(PackageProvider, Protocol):
    """A provider that can say which models it has."""

    def list_models(self, connection: Connection) -> Sequence[str]:
        """Their names, the best first. Nothing is asked of a model."""
        ...


Ask = Callable[[Connection, Question, Listener, ShouldStop], object]
Work = Callable[[Connection, Task, Listener, ShouldStop], object]
ListModels = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class Offered:
    """What a package's provider offers. ``work``, ``list_models``: None where it does not."""

    plugin: PlugIn
    ask: Ask
    work: Work | None
    list_models: ListModels | None
    needs_key: bool = False
    needs_model: bool = False


def offered(kind: str) -> Offered:
    """What the provider named ``kind`` offers; its package is loaded. Raises PlugInFault."""
    plugin = plugins("providers").get(kind)
    if plugin is None:
        raise PlugInFault(f"no installed package brings providers of kind {kind!r}")
    return offered_by(plugin)


def offered_by(plugin: PlugIn) -> Offered:
    """What ``plugin`` offers, loaded and looked at. Raises PlugInFault."""
    found: Any = plugin.load()
    if isinstance(found, type):
        raise plugin.fault(f"it is the class {found.__name__}; name an object of it")
    ask = _function(plugin, found, "ask")
    if ask is None:
        raise plugin.fault("a provider has a function 'ask'")
    facts = {name: _attribute(plugin, found, name) for name in _FACTS}
    for name, value in facts.items():
        if value not in (None, True, False):
            raise plugin.fault(f"its {name} is True or False, not {type(value).__name__}")
    return Offered(
        plugin, cast("Ask", ask), cast("Work | None", _function(plugin, found, "work")),
        cast("ListModels | None", _function(plugin, found, "list_models")),
        bool(facts["needs_key"]), bool(facts["needs_model"]),
    )  # fmt: skip


def _function(plugin: PlugIn, found: object, name: str) -> object:
    """Its function ``name``; None where it has none."""
    value = _attribute(plugin, found, name)
    if value is not None and not callable(value):
        raise plugin.fault(f"its {name} is a function, not {type(value).__name__}")
    return value


def _attribute(plugin: PlugIn, found: object, name: str) -> object:
    try:
        return getattr(found, name, None)
    except (Exception, SystemExit) as fault:
        raise plugin.fault(f"its {name} raises {type(fault).__name__}") from None
