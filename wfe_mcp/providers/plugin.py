"""The interface of providers in installed packages, and its checks.

The entry point (group ``wfe_mcp.providers``) names a ``PackageProvider``: an object, or a module, with these functions.
Only ``plugin_calls.py`` calls it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.call import Answer, Connection, Listener, Question, ShouldStop, Task, Worked
from wfe_mcp.resources import PlugIn, PlugInFault, plugins

_FACTS = ("needs_key", "needs_model")


class PackageProvider(Protocol):
    """The interface of every provider of a package.

    With ``needs_key = True`` or ``needs_model = True`` it is not called without one.
    """

    def ask(self, connection: Connection, question: Question, listener: Listener, should_stop: ShouldStop) -> Answer:
        """The answer to one question; ``value`` where it has a schema. Raises ProviderFault; ends once ``should_stop`` is True.

        wfe-mcp announces and reports the call, with the usage of the answer. Several threads may call at once.
        """
        ...


class WorkingProvider(PackageProvider, Protocol):
    """A provider that works with tools. One without ``work`` gets a task as a question for its output."""

    def work(self, connection: Connection, task: Task, listener: Listener, should_stop: ShouldStop) -> Worked:
        """How the task ended. A provider that calls a model more than once announces each call to ``listener`` beforehand.

        It uses ``task.tools`` through their ``run``; wfe-mcp reports these calls to ``listener`` and limits them.
        """
        ...


class ListingProvider(PackageProvider, Protocol):
    """A provider that can list its models."""

    def list_models(self, connection: Connection) -> Sequence[str]:
        """Their names, the best first, without a call to a model."""
        ...


Ask = Callable[[Connection, Question, Listener, ShouldStop], object]
Work = Callable[[Connection, Task, Listener, ShouldStop], object]
ListModels = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class OfferedProvider:
    """The functions of a package's provider. ``work``, ``list_models``: None where it has none."""

    plugin: PlugIn
    ask: Ask
    work: Work | None
    list_models: ListModels | None
    needs_key: bool = False
    needs_model: bool = False


def load_provider(kind: str) -> OfferedProvider:
    """The functions of the provider named ``kind``; loads its package. Raises PlugInFault."""
    plugin = plugins("providers").get(kind)
    if plugin is None:
        raise PlugInFault(f"no installed package provides kind {kind!r}")
    return offered_by(plugin)


def offered_by(plugin: PlugIn) -> OfferedProvider:
    """The functions of ``plugin``, loaded and checked. Raises PlugInFault."""
    provider: Any = plugin.load()
    if isinstance(provider, type):
        raise plugin.fault(f"it is the class {provider.__name__}, but must be an instance")
    ask = _function(plugin, provider, "ask")
    if ask is None:
        raise plugin.fault("it has no function 'ask'")
    facts = {name: _attribute(plugin, provider, name) for name in _FACTS}
    for name, value in facts.items():
        if value not in (None, True, False):
            raise plugin.fault(f"its {name} must be True or False, not {type(value).__name__}")
    return OfferedProvider(
        plugin,
        cast("Ask", ask),
        cast("Work | None", _function(plugin, provider, "work")),
        cast("ListModels | None", _function(plugin, provider, "list_models")),
        bool(facts["needs_key"]),
        bool(facts["needs_model"]),
    )


def _function(plugin: PlugIn, found: object, name: str) -> object:
    """Its function ``name``; None where it has none."""
    value = _attribute(plugin, found, name)
    if value is not None and not callable(value):
        raise plugin.fault(f"its {name} must be a function, not {type(value).__name__}")
    return value


def _attribute(plugin: PlugIn, found: object, name: str) -> object:
    try:
        return getattr(found, name, None)
    except (Exception, SystemExit) as fault:
        raise plugin.fault(f"its {name} raises {type(fault).__name__}") from None
